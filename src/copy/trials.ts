import type { CopyJob } from '../copy.ts';
import type { CopyInput } from '../formats/format.ts';
import type { RowCounts } from '../reconcile.ts';
import { type Around, copyOnce, type Destination } from './into.ts';

// A name of its own: where a trial's error ends the part, an outer savepoint takes this one along.
const SET = 'savepoint s3_connector_trial';
const GO_BACK = 'rollback to savepoint s3_connector_trial';
const RELEASE = 'release savepoint s3_connector_trial';

/**
 * COPYs that may fail, in a transaction that goes on. The statements for the savepoint go with each COPY's own
 * message: with a round trip for each of them a failed COPY would cost twice as much.
 */
export class Trials {
  readonly #job: CopyJob;
  #failed = false;

  constructor(job: CopyJob) {
    this.#job = job;
  }

  /** Keeps the rows, unless COPY fails. */
  async land(destination: Destination, input: CopyInput): Promise<RowCounts> {
    return await this.#copy(destination, input, [RELEASE]);
  }

  /** Fails where COPY would fail to read the rows, and leaves nothing behind. */
  async probe(destination: Destination, input: CopyInput): Promise<void> {
    await this.#copy({ ...destination, landsNothing: true }, input, [GO_BACK, RELEASE]);
  }

  /** Must come before any other statement: a failed trial is undone with the next one. */
  async settle(): Promise<void> {
    if (this.#failed) await this.#job.client.query(`${GO_BACK}; ${RELEASE}`);
    this.#failed = false;
  }

  async #copy(destination: Destination, input: CopyInput, after: string[]): Promise<RowCounts> {
    const { client, connector, signal } = this.#job;
    const around: Around = { before: [this.#failed ? GO_BACK : SET], after };
    this.#failed = true;
    const counts = await copyOnce(client, connector.owner, destination, input, signal, around);
    this.#failed = false;
    return counts;
  }
}
