/** Records the requests that the server received, so that tests can count and inspect them. */
import type { Operation } from './route.ts';

const KEPT = 1000;

export interface LoggedRequest {
  /** Undefined: the server does not know the operation. */
  operation: Operation | undefined;
  method: string;
  bucket: string | undefined;
  key: string | undefined;
  query: Record<string, string>;
  /** All headers except the signature. */
  headers: Record<string, string>;
  /** Undefined before the response, or if the connection was closed instead. */
  status: number | undefined;
  /** The code in S3's error document. */
  errorCode: string | undefined;
}

/** The requests since the start of the server or the last `reset`. */
export class RequestLog {
  #counts = new Map<Operation, number>();
  #recent: LoggedRequest[] = [];

  /** Returns the number of requests, for one operation or for all known ones. */
  count(operation?: Operation): number {
    if (operation !== undefined) return this.#counts.get(operation) ?? 0;
    return [...this.#counts.values()].reduce((sum, count) => sum + count, 0);
  }

  /** The last 1,000 requests, oldest first. */
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
