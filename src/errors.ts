/** "Errors" that a person can act on: a stable code, a message, a hint, and whether they are passing. */
import { storable } from './db/storable.ts';

export interface ErrorOptions {
  passing?: boolean | undefined;
  hint?: string | undefined;
  line?: number | undefined;
  column?: string | undefined;
  cause?: unknown;
}

/**
 * An error that a person can act on. `code` is stable and is stored in `files.error_code`. A "passing" error may be over by
 * itself (network, SlowDown, deadlock). A "lasting" one stays until somebody changes something (a bad value, a missing
 * column, AccessDenied). Message and hint can go into the database as they are.
 */
export class ConnectorError extends Error {
  readonly code: string;
  readonly passing: boolean;
  readonly hint: string | undefined;
  /** The line, or row, of the file that caused the error; undefined if no single line did. */
  readonly line: number | undefined;
  /** The column of that line, if one caused the error. */
  readonly column: string | undefined;

  constructor(code: string, message: string, options: ErrorOptions = {}) {
    super(storable(message), { cause: options.cause });
    this.name = 'ConnectorError';
    this.code = code;
    this.passing = options.passing ?? false;
    this.hint = options.hint === undefined ? undefined : storable(options.hint);
    this.line = options.line;
    this.column = options.column;
  }
}

/** Returns the error with its place before the message. An error of any other class becomes a passing `unexpected`. */
export function locate(error: unknown, where: string): ConnectorError {
  if (!(error instanceof ConnectorError)) {
    return new ConnectorError('unexpected', `${where}${describeError(error)}`, {
      passing: true,
      cause: error,
    });
  }
  return new ConnectorError(error.code, `${where}${error.message}`, {
    passing: error.passing,
    cause: error,
    hint: error.hint,
    line: error.line,
    column: error.column,
  });
}

/** Longer messages and hints are cut, in characters: they may list all columns of a file, or quote a value. */
const MAX_LENGTH = 3000;

/** Returns message and hint in one text, for `files.error_message` and the log. */
export function describeError(error: unknown): string {
  const message = shorten(storable(error instanceof Error ? error.message : String(error)));
  const hint = error instanceof ConnectorError && error.hint;
  return hint ? `${message}. ${shorten(hint)}` : message;
}

function shorten(text: string): string {
  // The cut may split a surrogate pair.
  return text.length <= MAX_LENGTH ? text : `${text.slice(0, MAX_LENGTH).toWellFormed()} ...`;
}
