/** Temporary directories of the benchmarks. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let root: string | undefined;

/**
 * Returns a directory that the server can read. It is deleted when this process exits.
 * @param mode its permissions: 0o777 if the server, which runs as another user, must write into it
 */
export function scratchDirectory(purpose: string, mode = 0o755): string {
  root ??= makeRoot();
  const directory = join(root, purpose);
  mkdirSync(directory, { recursive: true });
  chmodSync(directory, mode);
  return directory;
}

function makeRoot(): string {
  const directory = mkdtempSync(join(tmpdir(), 'pg-s3-connector-bench-'));
  // COPY from a file reads it as the server's user.
  chmodSync(directory, 0o755);
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
