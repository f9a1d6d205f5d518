/** The operating system user that runs the server. */
import { lchown, lstat, readdir, realpath, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** A user of the operating system. Empty: the current user. */
export interface Identity {
  uid?: number;
  gid?: number;
}

/** PostgreSQL refuses to run as root, so root runs it as `nobody`. A number is used so that no user must exist. */
export const serverIdentity: Identity = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};

/** Returns whether the server's user can enter every directory on this path and read the file there. */
export async function isReachable(path: string, identity = serverIdentity): Promise<boolean> {
  if (identity.uid === undefined) return true;
  const real = await realpath(path);
  if (((await stat(real)).mode & 0o005) !== 0o005) return false;
  for (let directory = dirname(real); ; directory = dirname(directory)) {
    if (((await stat(directory)).mode & 0o001) === 0) return false;
    if (directory === dirname(directory)) return true;
  }
}

/** Changes the owner of a path, and of everything below it, to the server's user. */
export async function handOver(path: string, identity = serverIdentity): Promise<void> {
  if (identity.uid === undefined || identity.gid === undefined) return;
  const below = (await lstat(path)).isDirectory() ? await readdir(path, { recursive: true }) : [];
  for (const each of [path, ...below.map((name) => join(path, name))]) {
    await lchown(each, identity.uid, identity.gid);
  }
}
