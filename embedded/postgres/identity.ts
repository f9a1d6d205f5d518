import { lchown, lstat, readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Who runs the server: empty for ourselves. */
export interface Identity {
  uid?: number;
  gid?: number;
}

/** PostgreSQL refuses to run as root; root runs it as `nobody`, by number, so that no user has to be made. */
export const serverIdentity: Identity = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};

/** Whether the server's user can enter every directory on the way to this path, and read what is there. */
export async function isReachable(path: string, identity = serverIdentity): Promise<boolean> {
  if (identity.uid === undefined) return true;
  const real = await realpath(path);
  if (((await stat(real)).mode & 0o005) !== 0o005) return false;
  for (let directory = dirname(real); ; directory = dirname(directory)) {
    if (((await stat(directory)).mode & 0o001) === 0) return false;
    if (directory === dirname(directory)) return true;
  }
}

/** Gives a path, and all that is below it, to the server's user. */
export async function handOver(path: string, identity = serverIdentity): Promise<void> {
  if (identity.uid === undefined || identity.gid === undefined) return;
  const below = (await lstat(path)).isDirectory() ? await readdir(path, { recursive: true }) : [];
  for (const each of [path, ...below.map((name) => join(path, name))]) {
    await lchown(each, identity.uid, identity.gid);
  }
}
