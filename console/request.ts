/** Requests for pages and forms, and the pages that answer them. */
import type { IncomingMessage } from 'node:http';
import type { ConsoleDatabase } from './database.ts';
import type { Html } from './html.ts';
import type { Outcome } from './outcome.ts';
import type { Rights } from './rights.ts';

export interface PageRequest {
  db: ConsoleDatabase;
  /** Returns a parameter of the address. Undefined if it is missing or empty. */
  parameter(name: string): string | undefined;
  /** The address of the page. Actions redirect to it. */
  here: string;
  /** The token that every form of the page must have; see guard.ts. */
  formToken: string;
  rights: Rights;
  /** The outcome of the action that led here, if any. */
  outcome: Outcome | undefined;
}

/** The content of one page; layout.ts adds the frame. */
export interface Page {
  title: string;
  section?: 'connectors' | 'workers' | 'new' | undefined;
  /** The connector whose changes refresh the page. Undefined: all connectors. */
  connector?: string | undefined;
  /** Whether the page refreshes itself. A form that a person fills in does not. */
  live: boolean;
  body: Html;
}

/** An error of the request, with its HTTP status. */
export class RequestError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Returns a required parameter. @throws RequestError */
export function required(request: PageRequest, name: string): string {
  const value = request.parameter(name);
  if (value === undefined) throw new RequestError(404, `The address has no parameter ${name}.`);
  return value;
}

const FORM_MAX_BYTES = 1 << 20;

/** Returns the fields of a form. @throws RequestError if it is not a form, or too large */
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
