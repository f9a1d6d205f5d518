/** What an error says besides its code and message. */
export interface ErrorOptions {
  passing?: boolean | undefined;
  hint?: string | undefined;
  line?: number | undefined;
  column?: string | undefined;
  cause?: unknown;
}

/**
 * An error that a person can act on. `code` is stable and stands in `files.error_code`; `passing` says
 * whether the same attempt may succeed later without anybody changing anything (network, SlowDown,
 * deadlock) or not (parse, type, missing column, AccessDenied).
 */
export class ConnectorError extends Error {
  readonly code: string;
  readonly passing: boolean;
  readonly hint: string | undefined;
  /** The line, or row, of the file that alone is to blame; undefined where there is no such one. */
  readonly line: number | undefined;
  /** The column of that line, where one is to blame. */
  readonly column: string | undefined;

  constructor(code: string, message: string, options: ErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.name = 'ConnectorError';
    this.code = code;
    this.passing = options.passing ?? false;
    this.hint = options.hint;
    this.line = options.line;
    this.column = options.column;
  }
}

/** An error whose message is led by where it happened; one that nobody foresaw counts as passing, and is `unexpected`. */
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

/** Characters of a message, and of a hint, that are shown: they may list all columns of a file, or quote a value. */
const SHOWN = 3000;

/** Message and hint in one text, as it stands in `files.error_message` and in the log. */
export function describeError(error: unknown): string {
  const message = shorten(error instanceof Error ? error.message : String(error));
  const hint = error instanceof ConnectorError && error.hint;
  return hint ? `${message}. ${shorten(hint)}` : message;
}

function shorten(text: string): string {
  // Not in the middle of a character.
  return text.length <= SHOWN ? text : `${text.slice(0, SHOWN).toWellFormed()} ...`;
}
