/** The attempts that this worker runs now, and the way to stop each. */
import { sql } from 'kysely';
import type { Attempt } from '../attempt.ts';
import { Coalesced } from '../coalesce.ts';
import type { Control } from '../db/control.ts';
import { ConnectorError, describeError } from '../errors.ts';
import { reach } from '../fault_points.ts';
import { AttemptSignal } from '../import/attempt_signal.ts';
import { log } from '../log.ts';

/**
 * On this channel `stop_attempt` notifies workers that an attempt has lost its file. Every role may send notifications, so each
 * is only a reason to look into the table.
 */
const CHANNEL = 's3_connector_cancel';

/** A running attempt. */
interface Running {
  fileId: number;
  stop: AttemptSignal;
}

export class Attempts {
  /** By the attempt's id. */
  readonly #running = new Map<number, Running>();
  /** By file. A second job for the same file waits until the first one's `start` has answered. */
  readonly #beginning = new Map<number, Promise<unknown>>();

  #looks: Coalesced | undefined;
  /** Whether an attempt may have lost its file before its `start` has answered. */
  #lookWhenBegun = false;

  /** Returns how many attempts are running. */
  get count(): number {
    return this.#running.size;
  }

  /** Returns the ids of the attempts that are running. */
  get ids(): number[] {
    return [...this.#running.keys()];
  }

  /**
   * Begins an attempt at a file, and those at the rest of its bundle. Call `end` after each, and in a bundle `startClock`
   * before each that is tried alone.
   * @param start begins the attempts in the database, given the ids of the attempts at the file that run here
   * @param shutdown aborted when the worker must stop
   * @returns what `start` returns; empty if there is nothing to do
   */
  async begin(
    fileId: number,
    start: (running: number[]) => Promise<Omit<Attempt, 'signal'>[]>,
    shutdown: AbortSignal,
  ): Promise<Attempt[]> {
    while (this.#beginning.has(fileId)) await this.#beginning.get(fileId);
    const answer = start(this.#runningIds(fileId)).then((started) =>
      started.map((one) => this.#add(one, shutdown, started.length > 1)),
    );
    this.#beginning.set(
      fileId,
      answer.catch(() => {}),
    );
    try {
      return await answer;
    } finally {
      this.#beginning.delete(fileId);
      if (this.#lookWhenBegun) void this.#looks?.request();
    }
  }

  /** Starts the time that an attempt of a bundle may take. */
  startClock({ file }: Attempt): void {
    this.#running.get(file.attempt_id!)?.stop.startClock();
  }

  /** Forgets an attempt, which has succeeded or failed. */
  end({ file }: Attempt): void {
    const id = file.attempt_id!;
    this.#running.get(id)?.stop.close();
    this.#running.delete(id);
  }

  /** Stops an attempt, if it runs here. */
  stop(attemptId: number): void {
    this.#running.get(attemptId)?.stop.abort(takenAway());
  }

  /** Starts to listen to the database for attempts that must stop. */
  async listen({ listener, db }: Control): Promise<void> {
    const looks = new Coalesced(() =>
      this.#stopLost(db).catch((error) => log.warn('attempts not checked', { error: describeError(error) })),
    );
    this.#looks = looks;
    const look = () => void looks.request();
    // Also after each reconnect: notifications that were sent meanwhile are lost.
    await listener.listen(CHANNEL, look, look);
  }

  /** Stops the attempts that have lost their file. */
  async #stopLost(db: Control['db']): Promise<void> {
    this.#lookWhenBegun = this.#beginning.size > 0;
    const { ids } = this;
    if (ids.length === 0) return;
    await reach('stop_lost');
    const { rows } = await sql<{ attempt_id: number }>`
      select attempt_id from s3_connector.files where status = 'running' and attempt_id = any (${ids}::bigint[])`.execute(
      db,
    );
    const kept = new Set(rows.map((row) => row.attempt_id));
    for (const id of ids) if (!kept.has(id)) this.stop(id);
  }

  #runningIds(fileId: number): number[] {
    return [...this.#running].flatMap(([id, running]) => (running.fileId === fileId ? [id] : []));
  }

  #add(started: Omit<Attempt, 'signal'>, shutdown: AbortSignal, isBundled: boolean): Attempt {
    const { file } = started;
    const id = file.attempt_id!;
    const stop = new AttemptSignal(shutdown, started.timeoutMs, { waits: isBundled });
    this.#running.set(id, { fileId: file.id, stop });
    return { ...started, signal: stop.signal };
  }
}

function takenAway(): ConnectorError {
  return new ConnectorError(
    'attempt_superseded',
    'the file was cancelled, dropped, or taken over by another worker; nothing was kept',
    // A failure is recorded only if the attempt still has its file. Then nobody meant it to stop, so it is retried.
    { passing: true },
  );
}
