import { ConnectorError } from './errors.ts';

/** 78 is EX_CONFIG of sysexits.h: to start the same program again would be in vain. */
const EXIT_STATUS: Record<string, number> = { schema_newer: 78 };

/** Ends the process with what a person needs to read: message and hint for a known error, else the stack. */
export function exitWithError(error: unknown): never {
  if (error instanceof ConnectorError) {
    process.stderr.write(`${error.message} (${error.code})\n${error.hint ? `${error.hint}\n` : ''}`);
    process.exit(EXIT_STATUS[error.code] ?? 1);
  } else {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  }
  process.exit(1);
}
