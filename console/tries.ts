/** "Tries": tokens that people send to sign in. They are checked one at a time, and slower after wrong ones. */

/** How a try ended. `busy`: it was not checked. */
export type TryResult = 'right' | 'wrong' | 'busy';

/** After the first wrong try. It doubles with each further one. */
const FIRST_DELAY_MS = 250;
const MAX_DELAY_MS = 8_000;
/** Wrong tries are forgotten after so long without another one. */
const FORGET_MS = 60_000;
/** Addresses that may wait at once. */
const MAX_WAITING = 20;

export class Tries {
  readonly #check: (token: string) => Promise<boolean>;
  /** Addresses with a try that waits or is being checked. Only one each, so that one address cannot fill the queue. */
  readonly #waiting = new Set<string>();
  #queue: Promise<unknown> = Promise.resolve();
  #wrong = 0;
  #lastWrongAt = 0;

  constructor(check: (token: string) => Promise<boolean>) {
    this.#check = check;
  }

  /** Wrong tries in a row, of all addresses. */
  get wrong(): number {
    return this.#wrong;
  }

  /** Checks a token after all earlier ones. A wrong one delays the next try, not its own answer. */
  async try(token: string, address: string): Promise<TryResult> {
    if (this.#waiting.has(address) || this.#waiting.size >= MAX_WAITING) return 'busy';
    this.#waiting.add(address);
    const result = this.#queue.then(() => this.#count(token));
    this.#queue = result.then(
      (isRight) => (isRight ? undefined : delay(this.#delayMs())),
      () => {},
    );
    try {
      return (await result) ? 'right' : 'wrong';
    } finally {
      this.#waiting.delete(address);
    }
  }

  async #count(token: string): Promise<boolean> {
    const isRight = await this.#check(token);
    const now = Date.now();
    if (isRight || now - this.#lastWrongAt > FORGET_MS) this.#wrong = 0;
    if (!isRight) {
      this.#wrong++;
      this.#lastWrongAt = now;
    }
    return isRight;
  }

  #delayMs(): number {
    return Math.min(FIRST_DELAY_MS * 2 ** (this.#wrong - 1), MAX_DELAY_MS);
  }
}

/** Waits, without keeping the process running. */
function delay(ms: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms).unref());
}
