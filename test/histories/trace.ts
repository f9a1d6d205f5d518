import { appendFileSync } from 'node:fs';

const FILE = process.env.HISTORIES_TRACE;

/** Writes what happens to the file that HISTORIES_TRACE names. */
export function trace(what: string): void {
  if (FILE) appendFileSync(FILE, `${new Date().toISOString()} ${what}\n`);
}
