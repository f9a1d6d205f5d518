/** The "turn" of a connector: how long one job imports its files one by one. */

/** In milliseconds. Longer turns would let other connectors wait for files that are slow or stalled. */
const TURN_MS = 2000;

/** Calls a function when the turn is over. */
export class Turn {
  readonly #timer: NodeJS.Timeout;
  #over: Promise<void> = Promise.resolve();

  constructor(over: () => Promise<void>) {
    this.#timer = setTimeout(() => {
      this.#over = over();
      // `end` throws it.
      this.#over.catch(() => {});
    }, TURN_MS);
  }

  /**
   * Ends the turn, and waits for the function if it was called.
   * @throws the function's error
   */
  async end(): Promise<void> {
    clearTimeout(this.#timer);
    await this.#over;
  }
}
