import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let root: string | undefined;

/** A directory for one purpose, where the server can read too; gone when this process exits. */
export function scratchDirectory(purpose: string): string {
  root ??= makeRoot();
  const directory = join(root, purpose);
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  return directory;
}

function makeRoot(): string {
  const directory = mkdtempSync(join(tmpdir(), 'pg-s3-connector-bench-'));
  // Server-side COPY reads the file as the server's user.
  chmodSync(directory, 0o755);
  process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}
