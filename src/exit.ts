import { ConnectorError } from './errors.ts';

/** Ends the process with what a person needs to read: message and hint for a known error, else the stack. */
export function exitWithError(error: unknown): never {
  if (error instanceof ConnectorError) {
    process.stderr.write(`${error.message}\n${error.hint ? `${error.hint}\n` : ''}`);
  } else {
    process.stderr.write(`${error instanceof Error ? error.stack : String(error)}\n`);
  }
  process.exit(1);
}
