import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { glob } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** The embedded PostgreSQL has no client programs: these are from an installed server, so that their versions match. */
const PROGRAMS = ['initdb', 'postgres', 'pg_dump', 'pg_dumpall', 'pg_restore', 'psql'];

/** The bin directory of an installed PostgreSQL: the named one, pg_config's, or Debian's. */
export async function findPrograms(): Promise<string | undefined> {
  const fromPgConfig = await run('pg_config', ['--bindir']).then(
    ({ stdout }) => [stdout.trim()],
    () => [],
  );
  const named = process.env.TEST_POSTGRES_BIN_DIR ? [process.env.TEST_POSTGRES_BIN_DIR] : [];
  const debian = await Array.fromAsync(glob('/usr/lib/postgresql/*/bin'));
  return [...named, ...fromPgConfig, ...debian.sort().reverse()].find((directory) =>
    PROGRAMS.every((program) => existsSync(join(directory, program))),
  );
}
