/** "Trials": COPYs that may fail in a transaction that continues. */

import type { CopyInput } from '../formats/format.ts';
import type { RowCounts } from '../reconcile.ts';
import type { Destination } from './destination.ts';
import type { CopyContext } from './part_copy.ts';
import { type Around, runCopy } from './statement.ts';

// Not the name of inSavepoint: if a trial's error ends the part, the outer savepoint also removes this one.
const SET = 'savepoint s3_connector_trial';
const GO_BACK = 'rollback to savepoint s3_connector_trial';
const RELEASE = 'release savepoint s3_connector_trial';

/**
 * Runs COPYs in a savepoint, whose statements are sent in the COPY's own message: with a round trip for each, a failed COPY
 * would cost twice as much.
 */
export class Trials {
  readonly #context: CopyContext;
  #failed = false;

  constructor(context: CopyContext) {
    this.#context = context;
  }

  /** Copies rows. */
  async copy(destination: Destination, input: CopyInput): Promise<RowCounts> {
    return await this.#copy(destination, input, [RELEASE]);
  }

  /** Fails if COPY cannot read the rows, and inserts none. */
  async probe(destination: Destination, input: CopyInput): Promise<void> {
    await this.#copy({ ...destination, insertsNothing: true }, input, [GO_BACK, RELEASE]);
  }

  /** Fails as the statement does after a COPY, and keeps nothing. */
  async evaluate(destination: Destination, input: CopyInput, statement: string): Promise<void> {
    await this.#copy(destination, input, [GO_BACK, RELEASE], [statement]);
  }

  /** Rolls back a failed trial. Call it before any other statement; the next trial does it by itself. */
  async undoFailed(): Promise<void> {
    if (this.#failed) await this.#context.client.query(`${GO_BACK}; ${RELEASE}`);
    this.#failed = false;
  }

  async #copy(
    destination: Destination,
    input: CopyInput,
    after: string[],
    within?: string[],
  ): Promise<RowCounts> {
    const around: Around = { before: [this.#failed ? GO_BACK : SET], ...(within && { within }), after };
    this.#failed = true;
    const counts = await runCopy(this.#context, destination, input, around);
    this.#failed = false;
    return counts;
  }
}
