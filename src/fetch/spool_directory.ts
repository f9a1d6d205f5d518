/**
 * Makes the directories of the spool. Only their owner may use them, except that a worker that runs as root lets its readers
 * in, which are not root.
 */
import { chmod, chown, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';

/** The user and group of readers whose worker runs as root: no account has this number. Higher ones are not mapped in some containers. */
export const READER_USER = 65_533;
/** For files in the spool. Their group is the readers'. */
export const FILE_MODE = isRoot() ? 0o640 : 0o600;
/** Its owner may do all, its group may enter; files in it get its group. */
const SHARED_MODE = 0o2710;

export function isRoot(): boolean {
  return process.getuid?.() === 0;
}

/** Creates a directory and its parents. Existing ones stay as they are. */
export async function makeSpoolDirectory(path: string): Promise<void> {
  const first = await mkdir(path, { recursive: true, mode: 0o700 });
  if (first !== undefined) await letReadersIn(path, first);
}

/** Creates a directory in the spool. Throws if it exists. */
export async function makeNewDirectory(path: string): Promise<void> {
  await mkdir(path, { mode: 0o700 });
  await letReadersIn(path, path);
}

/** @param first the highest directory that was made above `path`, or `path` itself */
async function letReadersIn(path: string, first: string): Promise<void> {
  if (!isRoot()) return;
  // A stricter umask would keep the group out of the files.
  process.umask(process.umask() & ~0o040);
  for (let made = path; made.length >= first.length; made = dirname(made)) {
    await chown(made, 0, READER_USER);
    await chmod(made, SHARED_MODE);
  }
}
