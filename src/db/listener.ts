/** Listens to PostgreSQL's notifications (LISTEN) on one session, and opens a new one whenever it is lost. */
import pg from 'pg';
import { backoffMs } from '../backoff.ts';
import { describeError } from '../errors.ts';
import { log } from '../log.ts';
import { waitOrAbort } from '../waiting.ts';
import { openSession, type Session } from './connections.ts';

const BACKOFF = { firstMs: 100, longestMs: 5000 };

interface Channel {
  onNotification(payload: string): void;
  /** Called after each LISTEN, because earlier notifications are lost. */
  catchUp(): void;
}

export class Listener {
  readonly #databaseUrl: string;
  readonly #channels = new Map<string, Channel>();
  readonly #closed = new AbortController();
  #session: Promise<Session> | undefined;
  #reconnecting: Promise<void> | undefined;

  constructor(databaseUrl: string) {
    this.#databaseUrl = databaseUrl;
  }

  /** Resolves after LISTEN. The channel is listened to until `close`, also on new sessions. */
  async listen(
    name: string,
    onNotification: Channel['onNotification'],
    catchUp: Channel['catchUp'],
  ): Promise<void> {
    this.#channels.set(name, { onNotification, catchUp });
    await this.#listenTo(name);
  }

  async close(): Promise<void> {
    this.#closed.abort();
    const session = await this.#session?.catch(() => undefined);
    await session?.end();
    await this.#reconnecting;
  }

  async #listenTo(name: string): Promise<void> {
    const session = await this.#open();
    await session.query(`listen ${pg.escapeIdentifier(name)}`);
    this.#channels.get(name)?.catchUp();
  }

  #open(): Promise<Session> {
    this.#session ??= this.#begin().catch((error) => {
      this.#session = undefined;
      throw error;
    });
    return this.#session;
  }

  async #begin(): Promise<Session> {
    const session = await openSession(this.#databaseUrl, 'listen');
    session.on('notification', ({ channel, payload = '' }) =>
      this.#channels.get(channel)?.onNotification(payload),
    );
    session.once('end', () => {
      this.#session = undefined;
      this.#reconnecting ??= this.#reconnect().finally(() => {
        this.#reconnecting = undefined;
      });
    });
    return session;
  }

  async #reconnect(): Promise<void> {
    const { signal } = this.#closed;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        for (const name of this.#channels.keys()) await this.#listenTo(name);
        if (this.#session) return log.info('listening again');
      } catch (error) {
        log.warn('not listening yet', { error: describeError(error) });
      }
      await waitOrAbort(backoffMs(BACKOFF, failures), signal);
    }
  }
}
