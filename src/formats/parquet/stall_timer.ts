/** A "stall timer" runs while somebody waits for a process, and ends that process if nothing comes for too long. */

export class StallTimer {
  readonly #ms: number;
  readonly #onStall: () => void;
  #stalled = false;

  /** @param onStall must make every promise that is waited for settle */
  constructor(ms: number, onStall: () => void) {
    this.#ms = ms;
    this.#onStall = onStall;
  }

  /** Whether the time ran out during a wait. */
  get stalled(): boolean {
    return this.#stalled;
  }

  /** Returns what the promise resolves to; the timer runs until it settles. */
  async during<T>(waiting: Promise<T>): Promise<T> {
    const timer = setTimeout(() => {
      this.#stalled = true;
      this.#onStall();
    }, this.#ms);
    try {
      return await waiting;
    } finally {
      clearTimeout(timer);
    }
  }
}
