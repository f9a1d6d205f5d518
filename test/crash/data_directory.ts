/** Copies of a server's data directory, and servers that run on such copies. */
import { chmod, cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { handOver } from '../../embedded/postgres/identity.ts';
import type { Postgres } from '../../embedded/postgres/server.ts';
import { afterFile, type TestDatabase } from '../support/database.ts';

/** Makes an empty directory; deleted after the test file. */
export async function makeDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 's3-connector-crash-'));
  afterFile(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Copies the data directory as it is now. */
export async function copyData({ dataDir }: Postgres): Promise<string> {
  const image = join(await makeDirectory(), 'data');
  // The server deletes files while it runs: those are not needed.
  await cp(dataDir, image, { recursive: true, verbatimSymlinks: true });
  await rm(join(image, 'postmaster.pid'), { force: true });
  return image;
}

/** Gives a server that has ended other data. Its `restart` starts it on them. */
export async function replaceData({ dataDir }: Postgres, image: string): Promise<void> {
  await rm(dataDir, { recursive: true });
  await cp(image, dataDir, { recursive: true, verbatimSymlinks: true });
  await chmod(dataDir, 0o700);
  await handOver(dataDir);
}

/** Takes a base backup of a running server. Returns its directory. */
export async function backUp(server: Postgres, db: TestDatabase): Promise<string> {
  const session = await db.connectSuperuser();
  await session.query("select pg_backup_start('crash', fast => true)");
  const image = await copyData(server);
  const { rows } = await session.query<{ labelfile: string }>('select labelfile from pg_backup_stop()');
  await session.end();
  await writeFile(join(image, 'backup_label'), rows[0]!.labelfile);
  return image;
}
