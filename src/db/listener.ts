import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { describeError } from '../errors.ts';
import { log } from '../log.ts';
import { openSession, type Session } from './connections.ts';

/** Between two tries to open a session: the first pause and the longest, in milliseconds. */
const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5000;

interface Channel {
  hear(payload: string): void;
  /** Called whenever the channel is listened to: what was said before that was not heard. */
  catchUp(): void;
}

/** Hears notifications (LISTEN) on one session, which is opened again whenever it is lost. */
export class Listener {
  readonly #databaseUrl: string;
  readonly #channels = new Map<string, Channel>();
  readonly #closed = new AbortController();
  #session: Promise<Session> | undefined;
  #comingBack: Promise<void> | undefined;

  constructor(databaseUrl: string) {
    this.#databaseUrl = databaseUrl;
  }

  /** Resolves when the channel is listened to; from then on it is, until `close`. */
  async listen(name: string, hear: Channel['hear'], catchUp: Channel['catchUp']): Promise<void> {
    this.#channels.set(name, { hear, catchUp });
    await this.#listenTo(name);
  }

  async close(): Promise<void> {
    this.#closed.abort();
    const session = await this.#session?.catch(() => undefined);
    await session?.end();
    await this.#comingBack;
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
    session.on('notification', ({ channel, payload = '' }) => this.#channels.get(channel)?.hear(payload));
    session.once('end', () => {
      this.#session = undefined;
      this.#comingBack ??= this.#comeBack().finally(() => {
        this.#comingBack = undefined;
      });
    });
    return session;
  }

  async #comeBack(): Promise<void> {
    const { signal } = this.#closed;
    for (let wait = FIRST_WAIT_MS; !signal.aborted; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
      try {
        for (const name of this.#channels.keys()) await this.#listenTo(name);
        if (this.#session) return log.info('listening again');
      } catch (error) {
        log.warn('not listening yet', { error: describeError(error) });
      }
      await delay(wait, undefined, { signal }).catch(() => {});
    }
  }
}
