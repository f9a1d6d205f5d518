/**
 * "Images": what a disk may hold after a power cut. PostgreSQL has synced data files at the last checkpoint, and its log up to
 * the last commit. Of what was written after that, any part may have reached the disk, sector by sector.
 */
import { cp, open, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Random } from '../support/random.ts';
import { makeDirectory } from './data_directory.ts';

const SECTOR_BYTES = 4096;
/** Directories whose files are written without a sync until the next checkpoint. */
const UNSYNCED = ['base', 'global', 'pg_xact', 'pg_multixact'];
/** Files that are replaced whole, and synced. */
const REPLACED_WHOLE = /(^|\/)(pg_control|pg_filenode\.map|pg_internal\.init)$/;

/** A position of the log: a segment file, and bytes in it. */
export interface LogPosition {
  segment: string;
  offset: number;
}

/** Only what was synced: the data files of the checkpoint, and the log up to a position that was flushed. */
export async function syncedOnly(checkpoint: string, cut: string, flushed: LogPosition): Promise<string> {
  const image = join(await makeDirectory(), 'data');
  await cp(checkpoint, image, { recursive: true });
  const log = join(image, 'pg_wal');
  await rm(log, { recursive: true });
  await cp(join(cut, 'pg_wal'), log, { recursive: true });
  for (const segment of await segments(log)) if (segment > flushed.segment) await rm(join(log, segment));
  const last = join(log, flushed.segment);
  const bytes = await readFile(last);
  await writeFile(last, bytes.fill(0, flushed.offset));
  return image;
}

/** The log as it was written, and of each sector of the data files what was written or what the checkpoint had synced. */
export async function torn(
  checkpoint: string,
  cut: string,
  random: Random,
): Promise<{ image: string; tornFiles: number }> {
  const image = join(await makeDirectory(), 'data');
  await cp(cut, image, { recursive: true });
  let tornFiles = 0;
  for (const directory of UNSYNCED) {
    for (const name of await filesBelow(join(image, directory))) {
      const path = join(directory, name);
      if (REPLACED_WHOLE.test(path)) continue;
      if (await tear(join(image, path), join(checkpoint, path), random)) tornFiles++;
    }
  }
  return { image, tornFiles };
}

/** Gives back half the sectors of a file that differ. Returns whether the file is then neither the new nor the old one. */
async function tear(path: string, oldPath: string, random: Random): Promise<boolean> {
  const now = await readFile(path);
  // A file that is new is all zeros in the sectors that did not come.
  const before = await readFile(oldPath).catch(() => Buffer.alloc(0));
  if (now.equals(before)) return false;
  let kept = 0;
  let given = 0;
  const file = await open(path, 'r+');
  for (let at = 0; at < now.length; at += SECTOR_BYTES) {
    const length = Math.min(SECTOR_BYTES, now.length - at);
    const old = Buffer.alloc(length);
    // It may have been shorter.
    if (at < before.length) before.copy(old, 0, at, at + length);
    if (old.equals(now.subarray(at, at + length))) continue;
    if (random(2) === 0) kept++;
    else {
      given++;
      await file.write(old, 0, length, at);
    }
  }
  await file.close();
  return kept > 0 && given > 0;
}

async function segments(log: string): Promise<string[]> {
  return (await readdir(log)).filter((name) => /^[0-9A-F]{24}$/.test(name));
}

async function filesBelow(directory: string): Promise<string[]> {
  const names = await readdir(directory, { recursive: true });
  const found: string[] = [];
  // In one order on every machine, so that a seed means the same.
  for (const name of names.sort()) if ((await stat(join(directory, name))).isFile()) found.push(name);
  return found;
}
