import type { Lister } from './listing_faults.ts';
import type { Operation } from './route.ts';

/** Which requests an order is for; what is left out matches all. */
export interface FaultMatch {
  operation?: Operation;
  bucket?: string;
  /** Requests that are not on an object match only if this is left out. */
  key?: string | RegExp;
}

/** A request, as far as faults look at it. */
export interface FaultRequest {
  operation: Operation | undefined;
  bucket: string | undefined;
  key: string | undefined;
}

/** An order to misbehave. Several of the things it may say are done in the order they stand here. */
export interface FaultOrder extends FaultMatch {
  /** How many requests it is for; 1 if not given. */
  times?: number;
  /** Run first, as to overwrite or delete an object between a client's listing and its reading. */
  before?: (request: FaultRequest) => unknown;
  /** Milliseconds to wait before anything is answered. */
  delay?: number;
  /** Close the connection (with RST) instead of answering. */
  reset?: boolean;
  /** Answer this error; the message is S3's own for the code unless given, `retryAfter` is in seconds. */
  error?: { status: number; code: string; message?: string; retryAfter?: number };
  /** Answer with the whole object, as a server that does not know Range. */
  ignoreRange?: boolean;
  /** Answer a read whatever its If-Match and the like ask for. */
  ignoreConditions?: boolean;
  /** Give this ETag with a read; null: none. */
  etag?: string | null;
  /** Make the page of a LIST so. */
  listing?: Lister;
  /** Send the body byte by byte, each after so many milliseconds. */
  trickle?: { ms: number };
  /** Send this many bytes of the body (it must have as many), then nothing for `ms` milliseconds or, without it, until `release()`. */
  stall?: { after: number; ms?: number };
  /** Send this many bytes of the body (all, if there are fewer), then close the connection. */
  cut?: number;
}

/** What a test holds of an order it gave. */
export interface Fault {
  /** How often it has been carried out; a stall counts from when it stands still. */
  readonly hits: number;
  /** Resolves once `hits` has reached the count. */
  hit(count?: number): Promise<void>;
  /** Lets what it has stalled go on, now and from now on. */
  release(): void;
  /** No more requests for it; those that it has stalled go on. */
  cancel(): void;
}

/** The orders to misbehave. Each request obeys the first that matches and is not used up. */
export class Faults {
  readonly #faults: LiveFault[] = [];

  order(order: FaultOrder): Fault {
    const fault = new LiveFault(order);
    this.#faults.push(fault);
    return fault;
  }

  /** Cancels all orders, and lets all that is stalled go on. */
  clear(): void {
    for (const fault of this.#faults.splice(0)) fault.cancel();
  }

  /** The order that a request is to obey, which uses it once. */
  take(request: FaultRequest): LiveFault | undefined {
    const fault = this.#faults.find((one) => one.matches(request));
    fault?.use();
    return fault;
  }
}

/** An order and how far it has been carried out. */
export class LiveFault implements Fault {
  readonly order: FaultOrder;
  /** Resolves when what it has stalled is to go on. */
  readonly released: Promise<void>;
  readonly #release: () => void;
  #left: number;
  #hits = 0;
  #waiting: { count: number; resolve: () => void }[] = [];

  constructor(order: FaultOrder) {
    this.order = order;
    this.#left = order.times ?? 1;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.released = promise;
    this.#release = resolve;
  }

  get hits(): number {
    return this.#hits;
  }

  hit(count = 1): Promise<void> {
    if (this.#hits >= count) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push({ count, resolve });
    return promise;
  }

  release(): void {
    this.#release();
  }

  cancel(): void {
    this.#left = 0;
    this.#release();
  }

  matches(request: FaultRequest): boolean {
    const { operation, bucket, key } = this.order;
    if (this.#left === 0) return false;
    if (operation !== undefined && operation !== request.operation) return false;
    if (bucket !== undefined && bucket !== request.bucket) return false;
    if (key === undefined) return true;
    if (request.key === undefined) return false;
    return typeof key === 'string' ? key === request.key : request.key.search(key) >= 0;
  }

  use(): void {
    this.#left -= 1;
  }

  /** Counts one time that it was carried out. */
  carriedOut(): void {
    this.#hits += 1;
    for (const { count, resolve } of this.#waiting) if (this.#hits >= count) resolve();
    this.#waiting = this.#waiting.filter(({ count }) => this.#hits < count);
  }
}
