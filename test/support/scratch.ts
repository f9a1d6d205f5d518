/** Where temporary files of a run of the tests are. */
import { access, chmod, constants, mkdir, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const IN_MEMORY = '/dev/shm';
/** Several times what a run writes at the same time. */
const NEEDED_BYTES = 4 * 2 ** 30;
/** Of the machine: the workers and servers of a run need memory, too, and other programs must keep enough. */
const AVAILABLE_BYTES = 12 * 2 ** 30;

/**
 * Makes a directory for temporary files: in memory, if the machine has room there. Databases are made and dropped all the time, and each
 * has hundreds of files: on a disk, the kernel takes an eighth of the processor time of a run for them.
 */
export async function makeScratch(name: string): Promise<string> {
  const directory = join((await hasRoomInMemory(name)) ? IN_MEMORY : tmpdir(), name);
  await mkdir(directory);
  // As /tmp: servers and readers run as other users.
  await chmod(directory, 0o1777);
  return directory;
}

async function hasRoomInMemory(name: string): Promise<boolean> {
  if (process.availableMemory() < AVAILABLE_BYTES) return false;
  const probe = join(IN_MEMORY, `${name}_probe`);
  try {
    const { bavail, bsize } = await statfs(IN_MEMORY);
    if (bavail * bsize < NEEDED_BYTES) return false;
    // PostgreSQL's programs may be copied there. Many containers allow no programs there.
    await writeFile(probe, '', { mode: 0o700 });
    await access(probe, constants.X_OK);
    return true;
  } catch {
    return false;
  } finally {
    await rm(probe, { force: true });
  }
}
