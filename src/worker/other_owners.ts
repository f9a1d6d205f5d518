/** Keeps a worker from taking jobs that only another worker's login for imports may run. */
import { sql } from 'kysely';
import type { Control } from '../db/control.ts';
import { describeError } from '../errors.ts';
import { log } from '../log.ts';
import { repeatUntilAborted } from '../waiting.ts';
import type { Liveness } from './liveness.ts';

/** How often a worker looks who the other owners are, in milliseconds. A job that it takes before is put back. */
const LOOK_MS = 5000;

export class OtherOwners {
  readonly #db: Control['db'];
  readonly #liveness: Liveness;
  readonly #end = new AbortController();
  #flags: string[] = [];
  #looking: Promise<void> | undefined;

  constructor({ db }: Control, liveness: Liveness) {
    this.#db = db;
    this.#liveness = liveness;
  }

  /** The flags of jobs that this worker must not take; see owner_flag. */
  get flags(): string[] {
    return this.#flags;
  }

  /** Resolves after the first look. */
  async start(): Promise<void> {
    await this.#look();
    this.#looking = repeatUntilAborted(LOOK_MS, this.#end.signal, () =>
      this.#look().catch((error) =>
        log.warn('owners of other workers not looked for', { error: describeError(error) }),
      ),
    );
  }

  async close(): Promise<void> {
    this.#end.abort();
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { rows } = await sql<{ flag: string }>`
      select s3_connector_private.owner_flag(owner) as flag
      from s3_connector_private.owners_elsewhere(${this.#liveness.workerId}) owner`.execute(this.#db);
    this.#flags = rows.map(({ flag }) => flag);
  }
}
