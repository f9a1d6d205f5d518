/** Turns errors of AWS into ConnectorErrors, by the rows of s3_error_table.ts, and keeps what AWS said. */
import { ConnectorError } from '../errors.ts';
import { ERROR_ROWS, type ErrorContext, type ErrorRow } from './s3_error_table.ts';

/** Returns a ConnectorError for an error of the AWS SDK. An unknown one is passing. */
export function toConnectorError(error: unknown, context: ErrorContext): ConnectorError {
  if (error instanceof ConnectorError) return error;
  const row = rowOf(error, context);
  return new ConnectorError(row.code, `${row.message(context)}${quote(error)}`, {
    cause: error,
    hint: row.hint,
    passing: row.passing,
  });
}

/** The SDK's name for an answer without a code. Answers to HEAD never have one. */
const NO_CODE = 'Unknown';
/** And for its message. */
const NO_MESSAGE = 'UnknownError';

/** Returns whether the credentials have expired, or may have. */
export function hasExpired(error: unknown, context: ErrorContext): boolean {
  const { name, status } = describe(error);
  return rowOf(error, context).code === 'credentials_expired' || (status === 400 && name === NO_CODE);
}

/** Returns whether the server refuses path style, or virtual-hosted style. */
export function refusesAddressing(error: unknown, context: ErrorContext): boolean {
  return rowOf(error, context).code === 'addressing_refused';
}

/**
 * Returns the bucket's region, if S3 refuses a request and names it: in a header, or as some servers do only in the body or in
 * the message. Checks the name, because it becomes part of a host name.
 */
export function regionOf(error: unknown): string | undefined {
  const { $metadata, $response, Region, message } = error as {
    $metadata?: { httpStatusCode?: number };
    $response?: { headers?: Record<string, string> };
    Region?: unknown;
    message?: string;
  };
  const refused = $metadata?.httpStatusCode === 301 || $metadata?.httpStatusCode === 400;
  const named =
    $response?.headers?.['x-amz-bucket-region'] ?? Region ?? /\bexpecting '([^']+)'/.exec(message ?? '')?.[1];
  return refused && typeof named === 'string' && /^[a-z0-9-]{1,40}$/.test(named) ? named : undefined;
}

function rowOf(error: unknown, { request }: ErrorContext): ErrorRow {
  const { name, message, status } = describe(error);
  const rows = ERROR_ROWS.filter(({ of }) => of.includes(request));
  const ofCode = rows.find((row) => !isLast(row) && saysSo(row, name, message));
  return ofCode ?? rows.find((row) => row.status?.includes(status ?? 0)) ?? rows.find(isLast)!;
}

/** Whether the row is for everything that no other row is for. */
function isLast({ says }: ErrorRow): boolean {
  return says.includes('*');
}

function saysSo({ says, saying }: ErrorRow, name: string, message: string): boolean {
  const named = says.some((one) => (one.endsWith('*') ? name.startsWith(one.slice(0, -1)) : name === one));
  return named && (saying?.pattern.test(message) ?? true);
}

/** Longer messages of AWS are cut, in characters. A denial with its ARNs and reasons has some 400. */
const MAX_QUOTED = 500;
/** Messages about signatures may quote the request, with its session token. */
const QUOTES_REQUEST = /security-token|signature=|credential=|authorization:|AWS4-HMAC|customer-key:/i;
const ACCESS_KEY_ID = /\bA[KS]IA[A-Z0-9]{12,}\b/g;

/** What the SDK adds about an answer that is no XML, such as a proxy's page. */
const FOR_DEVELOPERS = /Deserialization error: to see the raw response.*/s;

/** Returns AWS's own code and message, to be shown after ours. */
function quote(error: unknown): string {
  const { name, message } = describe(error);
  const said = message === NO_MESSAGE || QUOTES_REQUEST.test(message) ? '' : message;
  const text = said
    .replace(FOR_DEVELOPERS, '')
    .replaceAll(ACCESS_KEY_ID, '<access key id>')
    .replaceAll(/\s+/g, ' ')
    .trim()
    .replace(/\.$/, '');
  const cut = text.length <= MAX_QUOTED ? text : `${text.slice(0, MAX_QUOTED).toWellFormed()} ...`;
  const parts = [name === NO_CODE ? statusOf(error) : name.slice(0, MAX_QUOTED), cut];
  return parts
    .filter(Boolean)
    .map((part) => `: ${part}`)
    .join('');
}

function statusOf(error: unknown): string {
  const { status } = describe(error);
  return status === undefined ? '' : `status ${status}`;
}

function describe(error: unknown): { name: string; message: string; status: number | undefined } {
  const { name, message, $metadata } = error as {
    name?: string;
    message?: string;
    $metadata?: { httpStatusCode?: number };
  };
  return { name: name ?? 'Error', message: message ?? String(error), status: $metadata?.httpStatusCode };
}
