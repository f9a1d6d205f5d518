/** The "spool": the directory of a worker for objects that are being imported. */
import { readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { makeSpoolDirectory } from '../fetch/spool_directory.ts';
import { log } from '../log.ts';

/**
 * Creates a spool directory for this process, and removes those of dead processes of this machine.
 * @returns its path
 */
export async function openSpool(spoolDir: string): Promise<string> {
  await makeSpoolDirectory(spoolDir);
  await removeLeftBehind(spoolDir);
  const own = join(spoolDir, `${hostname()}.${process.pid}`);
  await makeSpoolDirectory(own);
  return own;
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
