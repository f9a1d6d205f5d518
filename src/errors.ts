/**
 * An error that a person can act on. `code` is stable and stands in `files.error_code`; `passing` says
 * whether the same attempt may succeed later without anybody changing anything (network, SlowDown,
 * deadlock) or not (parse, type, missing column, AccessDenied).
 */
export class ConnectorError extends Error {
  readonly code: string;
  readonly passing: boolean;
  readonly hint: string | undefined;

  constructor(
    code: string,
    message: string,
    options: { passing?: boolean; hint?: string; cause?: unknown } = {},
  ) {
    super(message, { cause: options.cause });
    this.name = 'ConnectorError';
    this.code = code;
    this.passing = options.passing ?? false;
    this.hint = options.hint;
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
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}

/** Message and hint in one text, as it stands in `files.error_message` and in the log. */
export function describeError(error: unknown): string {
  if (error instanceof ConnectorError) return error.hint ? `${error.message}. ${error.hint}` : error.message;
  return error instanceof Error ? error.message : String(error);
}
