/** Ends what says nothing for too long while somebody waits for it. */
export class Patience {
  readonly #ms: number;
  readonly #end: () => void;
  #over = false;

  constructor(ms: number, end: () => void) {
    this.#ms = ms;
    this.#end = end;
  }

  /** Whether it has come to an end. */
  get over(): boolean {
    return this.#over;
  }

  /** Waits for something that `end` must make settle, too. */
  async during<T>(waiting: Promise<T>): Promise<T> {
    const timer = setTimeout(() => {
      this.#over = true;
      this.#end();
    }, this.#ms);
    try {
      return await waiting;
    } finally {
      clearTimeout(timer);
    }
  }
}
