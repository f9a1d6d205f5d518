/** Closes resources in the reverse order in which they were opened. */
import { describeError } from '../errors.ts';
import { log } from '../log.ts';

/** A list of resources. An error while closing one does not keep the others open. */
export class Resources {
  readonly #closers: (() => Promise<void>)[] = [];

  add(close: () => Promise<void>): void {
    this.#closers.push(close);
  }

  async close(): Promise<void> {
    for (let close = this.#closers.pop(); close; close = this.#closers.pop()) {
      await close().catch((error) => log.warn('closing failed', { error: describeError(error) }));
    }
  }
}
