import type { Operation } from './route.ts';

const KEPT = 1000;

export interface LoggedRequest {
  /** Undefined: one that the server does not know. */
  operation: Operation | undefined;
  method: string;
  bucket: string | undefined;
  key: string | undefined;
  query: Record<string, string>;
  /** As `range` and `if-match`; the signature is left out. */
  headers: Record<string, string>;
  /** Undefined while it is not answered, and if the connection was closed instead. */
  status: number | undefined;
  /** Of S3's error document. */
  errorCode: string | undefined;
}

/** What was asked of the server since it started or since the last `reset`. */
export class RequestLog {
  #counts = new Map<Operation, number>();
  #recent: LoggedRequest[] = [];

  /** How many requests there were, of one operation or of all that the server knows. */
  count(operation?: Operation): number {
    if (operation !== undefined) return this.#counts.get(operation) ?? 0;
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** The last 1000 requests, the latest last. */
  get recent(): readonly LoggedRequest[] {
    return this.#recent;
  }

  reset(): void {
    this.#counts = new Map();
    this.#recent = [];
  }

  add(request: LoggedRequest): void {
    if (request.operation) this.#counts.set(request.operation, this.count(request.operation) + 1);
    this.#recent.push(request);
    if (this.#recent.length > KEPT) this.#recent.shift();
  }
}
