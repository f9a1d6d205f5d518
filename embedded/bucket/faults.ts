/**
 * Faults that tests inject into the server.
 * An "order" says what to do wrong and for which requests; a "fault" is the test's handle on an order.
 */
import type { Lister } from './listing_faults.ts';
import type { Operation } from './route.ts';

/** Selects the requests that an order applies to. An omitted field matches every request. */
export interface FaultMatch {
  operation?: Operation;
  bucket?: string;
  /** Requests that are not for an object match only if this is omitted. */
  key?: string | RegExp;
  /** The Range header. Requests without one match only if this is omitted. */
  range?: string | RegExp;
}

/** The fields of a request that orders match. */
export interface FaultRequest {
  operation: Operation | undefined;
  bucket: string | undefined;
  key: string | undefined;
  headers: { readonly range?: string | undefined };
}

/** An order. If it has several actions, the server does them in the order of these fields. */
export interface FaultOrder extends FaultMatch {
  /** The number of requests that it applies to. Default: 1. */
  times?: number;
  /** Runs first, for example to overwrite an object between a client's LIST and its GET. */
  before?: (request: FaultRequest) => unknown;
  /** Milliseconds to wait before the response. */
  delay?: number;
  /** Reset the connection (RST) instead of responding. */
  reset?: boolean;
  /**
   * Respond with this error. Default message: S3's for the code. `retryAfter` is in seconds. `fields` are more elements of
   * the body. An empty code: no body.
   */
  error?: {
    status: number;
    code: string;
    message?: string;
    retryAfter?: number;
    fields?: Record<string, string>;
  };
  /** Send the whole object, as a server that does not support Range does. */
  ignoreRange?: boolean;
  /**
   * Decompress a read of an object with Content-Encoding gzip, unless the client accepts gzip, as Google Cloud Storage does.
   * The answer has no length then, and ignores Range. `always`: also if the client accepts it.
   */
  gunzip?: true | 'always';
  /** Ignore If-Match and the other conditions of a read. */
  ignoreConditions?: boolean;
  /** Send this ETag with a read. Null: none. */
  etag?: string | null;
  /** Make the pages of a LIST with this function. */
  listing?: Lister;
  /** Send the body byte by byte, with this pause (in milliseconds) before each byte. */
  trickle?: { ms: number };
  /**
   * Send this many bytes of the body, then nothing for `ms` milliseconds or, without `ms`, until `release()`.
   * The body must have at least that many bytes.
   */
  stall?: { after: number; ms?: number };
  /** Send this many bytes of the body (or all, if it has fewer), then close the connection. */
  cut?: number;
}

export interface Fault {
  /** How often the order was applied. A stall counts as soon as the sending stops. */
  readonly hits: number;
  /** Resolves once `hits` has reached the count. */
  hit(count?: number): Promise<void>;
  /** Resumes all stalled responses of this order. It does not stall later ones. */
  release(): void;
  /** Applies the order to no more requests, and resumes stalled responses. */
  cancel(): void;
}

/** The orders of one server. The first order that matches a request and has uses left applies to it. */
export class Faults {
  readonly #faults: LiveFault[] = [];

  order(order: FaultOrder): Fault {
    const fault = new LiveFault(order);
    this.#faults.push(fault);
    return fault;
  }

  /** Cancels all orders, and resumes all stalled responses. */
  clear(): void {
    for (const fault of this.#faults.splice(0)) fault.cancel();
  }

  /** Returns the order that applies to a request, and counts one use of it. */
  take(request: FaultRequest): LiveFault | undefined {
    const fault = this.#faults.find((one) => one.matches(request));
    fault?.use();
    return fault;
  }
}

/** An order, the uses that it has left, and the tests that wait for it. */
export class LiveFault implements Fault {
  readonly order: FaultOrder;
  /** Resolves when stalled responses resume. */
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
    const { operation, bucket, key, range } = this.order;
    if (this.#left === 0) return false;
    if (operation !== undefined && operation !== request.operation) return false;
    if (bucket !== undefined && bucket !== request.bucket) return false;
    return meets(key, request.key) && meets(range, request.headers.range);
  }

  use(): void {
    this.#left -= 1;
  }

  /** Counts one application of the order. */
  wasApplied(): void {
    this.#hits += 1;
    for (const { count, resolve } of this.#waiting) if (this.#hits >= count) resolve();
    this.#waiting = this.#waiting.filter(({ count }) => this.#hits < count);
  }
}

function meets(wanted: string | RegExp | undefined, value: string | undefined): boolean {
  if (wanted === undefined) return true;
  if (value === undefined) return false;
  return typeof wanted === 'string' ? wanted === value : value.search(wanted) >= 0;
}
