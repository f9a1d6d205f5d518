/** Limits the time that fetching one object may take. */
import { follow } from '../abortable.ts';
import { ConnectorError } from '../errors.ts';
import type { SourceObject } from '../sources/source.ts';

/** The size that the limit is for. A larger object has proportionally longer. */
const TIMED_BYTES = 1 << 30;
/** The longest delay of Node's timers: some 24 days. */
const LONGEST_MS = 2 ** 31 - 1;

/** Aborts a fetch at the limit. Uses its own timer, because one of AbortSignal.timeout cannot be cleared. */
export class TimeLimit {
  /** Aborted by the limit, or by the caller's signal. */
  readonly signal: AbortSignal;
  readonly #object: SourceObject;
  readonly #stop = new AbortController();
  readonly #unfollow: () => void;
  #isOver = false;
  readonly #seconds: number;
  readonly #timer: NodeJS.Timeout;

  /** @param fetchMs for an object of up to 1 GiB, in milliseconds */
  constructor(object: SourceObject, fetchMs: number, wanted: AbortSignal) {
    const ms = Math.min(fetchMs * Math.max(1, object.sizeBytes / TIMED_BYTES), LONGEST_MS);
    this.#object = object;
    this.#seconds = Math.ceil(ms / 1000);
    this.signal = this.#stop.signal;
    this.#unfollow = follow(wanted, this.#stop);
    this.#timer = setTimeout(() => {
      this.#isOver = !this.signal.aborted;
      this.#stop.abort();
    }, ms);
  }

  /** Ends the fetch before the limit. */
  stop(): void {
    this.#stop.abort();
  }

  /** Clears the limit when the fetch has ended. */
  end(): void {
    clearTimeout(this.#timer);
    this.#unfollow();
  }

  /**
   * Waits for a step of the fetch.
   * @throws ConnectorError `fetch_timeout` if the limit ended it; otherwise the step's error
   */
  async hold<T>(step: Promise<T>): Promise<T> {
    try {
      return await step;
    } catch (error) {
      throw this.#isOver ? this.#tookTooLong(error) : error;
    }
  }

  #tookTooLong(cause: unknown): ConnectorError {
    return new ConnectorError(
      'fetch_timeout',
      `the object of ${this.#object.sizeBytes} bytes was not fetched within ${this.#seconds} seconds`,
      {
        passing: true,
        hint: "If the connection to the bucket is that slow, raise S3_FETCH_TIMEOUT_SECONDS in the worker's environment.",
        cause,
      },
    );
  }
}
