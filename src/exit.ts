/** Ends a process with an error for the person who started it. */
import { ConnectorError } from './errors.ts';

/** 78 is EX_CONFIG of sysexits.h: the same program would fail again. */
const EXIT_STATUS: Record<string, number> = { schema_newer: 78 };

/** Ends the process. Prints message and hint of a ConnectorError, and the stack of any other error. */
export function exitWithError(error: unknown): never {
  if (error instanceof ConnectorError) {
    process.stderr.write(`${error.message} (${error.code})\n${error.hint ? `${error.hint}\n` : ''}`);
    process.exit(EXIT_STATUS[error.code] ?? 1);
  } else {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  }
  process.exit(1);
}
