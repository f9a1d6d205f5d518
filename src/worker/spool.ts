/** The "spool": the directory of a worker for objects that are being imported. */
import { lstat, mkdir, readdir, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { ConnectorError } from '../errors.ts';
import { log } from '../log.ts';

/** The sticky bit: everyone can create entries, and nobody can replace those of others. */
const STICKY = 0o1000;
const WRITABLE_BY_OTHERS = 0o022;

/**
 * Creates a spool directory for this process, and removes those of dead processes of this machine.
 * @returns its path
 * @throws ConnectorError `bad_setting` if another user controls the directory
 */
export async function openSpool(spoolDir: string): Promise<string> {
  await makeSpool(spoolDir);
  await removeLeftBehind(spoolDir);
  const own = join(spoolDir, `${hostname()}.${process.pid}`);
  // Not recursive: one that somebody else has just made is an error.
  await mkdir(own, { mode: 0o700 });
  return own;
}

/** Creates the directory of all workers. @throws ConnectorError `bad_setting` if another user controls it */
export async function makeSpool(spoolDir: string): Promise<void> {
  await refuseForeign(spoolDir);
  await mkdir(spoolDir, { recursive: true, mode: 0o700 });
  await refuseForeign(spoolDir);
}

/**
 * In a directory that all users share, as /tmp, anyone can make the spool first, or a link in its place: every entry of
 * such a directory on the path must be of this user or root. A volume of a container is in no such directory.
 */
async function refuseForeign(spoolDir: string): Promise<void> {
  const user = process.getuid?.();
  for (let path = resolve(spoolDir); path !== dirname(path); path = dirname(path)) {
    const [parent, entry] = await Promise.all([orNothing(stat(dirname(path))), orNothing(lstat(path))]);
    if (user === undefined || !entry || !parent || !(parent.mode & STICKY)) continue;
    if (entry.uid !== user && entry.uid !== 0) {
      throw badSpool(
        `SPOOL_DIR is ${spoolDir}, but ${path} belongs to user ${entry.uid}, and this worker runs as user ${user}`,
        'Set SPOOL_DIR to a directory that only the user of this worker can write.',
      );
    }
    const isShared = (entry.mode & STICKY) !== 0;
    if (entry.isDirectory() && !isShared && entry.mode & WRITABLE_BY_OTHERS) {
      throw badSpool(
        `SPOOL_DIR is ${spoolDir}, but ${path} can be written by other users (mode ${(entry.mode & 0o777).toString(8)})`,
        `Run: chmod 700 ${path}`,
      );
    }
  }
}

async function orNothing<T>(found: Promise<T>): Promise<T | undefined> {
  try {
    return await found;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function badSpool(message: string, hint: string): ConnectorError {
  return new ConnectorError('bad_setting', message, { hint });
}

async function removeLeftBehind(spoolDir: string): Promise<void> {
  for (const name of await readdir(spoolDir)) {
    // The host's name distinguishes machines, or containers, that share a directory.
    const pid = name.startsWith(`${hostname()}.`) ? Number(name.slice(hostname().length + 1)) : Number.NaN;
    if (!Number.isInteger(pid) || (pid !== process.pid && isAlive(pid))) continue;
    await rm(join(spoolDir, name), { recursive: true, force: true });
    log.info('removed spool of a dead worker', { pid });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
