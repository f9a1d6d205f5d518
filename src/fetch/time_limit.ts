import { ConnectorError } from '../errors.ts';
import type { SourceObject } from '../sources/source.ts';

/** What a fetch's limit is given for; a larger object has as much more time as it is larger. */
const TIMED_BYTES = 1 << 30;
/** Node's timers go no further: some 24 days. */
const LONGEST_MS = 2 ** 31 - 1;

/** Ends the fetch of an object that comes too slowly ever to end. A timer of its own, not one of AbortSignal's: those run on. */
export class TimeLimit {
  /** Aborted by the limit, or by who wanted the object. */
  readonly signal: AbortSignal;
  readonly #object: SourceObject;
  readonly #wanted: AbortSignal;
  readonly #over = new AbortController();
  readonly #seconds: number;
  readonly #timer: NodeJS.Timeout;

  /** @param fetchMs for an object of up to 1 GiB, in milliseconds */
  constructor(object: SourceObject, fetchMs: number, wanted: AbortSignal) {
    const ms = Math.min(fetchMs * Math.max(1, object.sizeBytes / TIMED_BYTES), LONGEST_MS);
    this.#object = object;
    this.#wanted = wanted;
    this.#seconds = Math.ceil(ms / 1000);
    this.signal = AbortSignal.any([wanted, this.#over.signal]);
    this.#timer = setTimeout(() => this.#over.abort(), ms);
  }

  /** No more limit: the fetch has ended. */
  end(): void {
    clearTimeout(this.#timer);
  }

  /**
   * Waits for a part of the fetch.
   * @throws ConnectorError `fetch_timeout` where the limit is what ended it; else what it throws
   */
  async hold<T>(part: Promise<T>): Promise<T> {
    try {
      return await part;
    } catch (error) {
      throw this.#over.signal.aborted && !this.#wanted.aborted ? this.#tookTooLong(error) : error;
    }
  }

  #tookTooLong(cause: unknown): ConnectorError {
    return new ConnectorError(
      'fetch_timeout',
      `the object of ${this.#object.sizeBytes} bytes had not come within ${this.#seconds} seconds`,
      {
        passing: true,
        hint: "Raise S3_FETCH_TIMEOUT_SECONDS in the worker's environment where the way to the bucket is that slow.",
        cause,
      },
    );
  }
}
