import type { Dirent } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * The files below a directory whose owner may delete files and directories meanwhile. `readdir` with
 * `recursive` fails with ENOENT when a directory goes between its listing and its reading.
 */
export async function filesIn(directory: string): Promise<Dirent[]> {
  const entries = await readdir(directory, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    throw error;
  });
  const below = await Promise.all(
    entries.map((entry) => (entry.isDirectory() ? filesIn(join(directory, entry.name)) : [entry])),
  );
  return below.flat();
}
