import { sql } from 'kysely';
import type { Control } from '../db/control.ts';
import { ConnectorError, describeError } from '../errors.ts';
import { log } from '../log.ts';
import type { StartedFile } from '../record.ts';

/** Where stop_attempt tells the workers that an attempt is no longer its file's; the payload is the attempt's id. */
const CHANNEL = 's3_connector_cancel';

/** An attempt that this worker makes, until `end`. */
export interface LiveAttempt extends StartedFile {
  /** Aborted when the attempt was taken away, with the reason, or when the worker must end. */
  signal: AbortSignal;
  end(): void;
}

/** The attempts that this worker makes now, and the way to stop each. */
export class Attempts {
  readonly #live = new Map<number, { fileId: number; controller: AbortController }>();
  /** By file: a second job for a file looks at it once the first one has its answer. */
  readonly #beginning = new Map<number, Promise<unknown>>();
  /** What was stopped while answers were under way, which may name it. */
  readonly #stoppedEarly = new Set<number>();

  /** How many there are. */
  get count(): number {
    return this.#live.size;
  }

  /**
   * @param start Begins an attempt in the database; it is given the ids of the file's attempts that are live here.
   * @param shutdown aborted when the worker must end
   */
  async begin(
    fileId: number,
    start: (liveAttempts: number[]) => Promise<StartedFile | undefined>,
    shutdown: AbortSignal,
  ): Promise<LiveAttempt | undefined> {
    while (this.#beginning.has(fileId)) await this.#beginning.get(fileId);
    const answer = start(this.#liveAttempts(fileId)).then(
      (started) => started && this.#add(started, shutdown),
    );
    this.#beginning.set(
      fileId,
      answer.catch(() => {}),
    );
    try {
      return await answer;
    } finally {
      this.#beginning.delete(fileId);
      if (this.#beginning.size === 0) this.#stoppedEarly.clear();
    }
  }

  /** Stops an attempt, if it is made here. */
  stop(attemptId: number): void {
    if (this.#beginning.size > 0) this.#stoppedEarly.add(attemptId);
    this.#live.get(attemptId)?.controller.abort(takenAway());
  }

  /** Hears from the database what is to be stopped. */
  async listen({ listener, db }: Control): Promise<void> {
    await listener.listen(
      CHANNEL,
      (attemptId) => this.stop(Number(attemptId)),
      // Also whenever the connection is back: what was said meanwhile was not heard.
      () =>
        void this.#stopLost(db).catch((error) =>
          log.warn('attempts not checked', { error: describeError(error) }),
        ),
    );
  }

  async #stopLost(db: Control['db']): Promise<void> {
    const ids = [...this.#live.keys()];
    if (ids.length === 0) return;
    const { rows } = await sql<{ attempt_id: number }>`
      select attempt_id from s3_connector.files where status = 'running' and attempt_id = any (${ids}::bigint[])`.execute(
      db,
    );
    const kept = new Set(rows.map((row) => row.attempt_id));
    for (const id of ids) if (!kept.has(id)) this.stop(id);
  }

  #liveAttempts(fileId: number): number[] {
    return [...this.#live].flatMap(([id, live]) => (live.fileId === fileId ? [id] : []));
  }

  #add(started: StartedFile, shutdown: AbortSignal): LiveAttempt {
    const { file } = started;
    const id = file.attempt_id!;
    const controller = new AbortController();
    // Not AbortSignal.any: what it makes would hang on the worker's signal for as long as the worker lives.
    const onShutdown = () => controller.abort(shutdown.reason);
    shutdown.addEventListener('abort', onShutdown);
    this.#live.set(id, { fileId: file.id, controller });
    if (shutdown.aborted) onShutdown();
    if (this.#stoppedEarly.has(id)) this.stop(id);
    return {
      ...started,
      signal: controller.signal,
      end: () => {
        shutdown.removeEventListener('abort', onShutdown);
        this.#live.delete(id);
      },
    };
  }
}

function takenAway(): ConnectorError {
  return new ConnectorError(
    'attempt_superseded',
    'the file was cancelled, dropped, or taken over by another worker; nothing was kept',
    // Only an attempt that is still the file's can fail with it, and then nobody meant it to stop.
    { passing: true },
  );
}
