import type { IncomingMessage } from 'node:http';
import type { ConsoleDatabase, Outcome } from './database.ts';
import type { Html } from './html.ts';

/** What a page is made from. */
export interface PageRequest {
  db: ConsoleDatabase;
  /** A parameter of the address; undefined where it is not there or empty. */
  parameter(name: string): string | undefined;
  /** The page's own address, to come back to after an action. */
  here: string;
  /** Stands in every form of the page. */
  formToken: string;
  /** What became of the action that led here, if one did. */
  outcome: Outcome | undefined;
}

/** What a page consists of; the rest is the same for all. */
export interface Page {
  title: string;
  section?: 'connectors' | 'workers' | 'new' | undefined;
  /** The connector whose changes the page follows; undefined: all. */
  connector?: string | undefined;
  /** Whether the page changes by itself; a form that somebody fills in does not. */
  live: boolean;
  body: Html;
}

/** A request that cannot be answered as it is. */
export class RequestError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** A parameter that the page cannot be without. @throws RequestError */
export function required(request: PageRequest, name: string): string {
  const value = request.parameter(name);
  if (value === undefined) throw new RequestError(404, `The address lacks ${name}.`);
  return value;
}

const FORM_MAX_BYTES = 1 << 20;

/** The fields of a form. @throws RequestError where it is too large, or no form */
export async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  if (!/^application\/x-www-form-urlencoded\b/i.test(request.headers['content-type'] ?? '')) {
    throw new RequestError(415, 'Expected a form.');
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > FORM_MAX_BYTES) throw new RequestError(413, 'The form is larger than 1 MiB.');
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString('utf8'));
}
