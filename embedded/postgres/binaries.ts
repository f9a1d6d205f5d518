/** Finds the programs of a PostgreSQL installation. */
import { execFile } from 'node:child_process';
import { constants, existsSync } from 'node:fs';
import { access, cp, readFile, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { promisify } from 'node:util';
import { handOver, isReachable, serverIdentity } from './identity.ts';
import { packagedNative } from './packages.ts';
import type { PackagedMajor } from './protocol.ts';

/** An installed PostgreSQL that the server's user can run. */
export interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
  /** For example `18.4`. */
  readonly version: string;
  readonly major: number;
  readonly hasTimescaledb: boolean;
}

const run = promisify(execFile);

/**
 * Returns the binaries in `binDir`. Default: those of the npm package for this platform and `major`. They are copied
 * into `scratchDir` if the server's user cannot use the package's directory.
 */
export async function findBinaries(
  { binDir, major }: { binDir?: string; major?: PackagedMajor },
  scratchDir: string,
): Promise<Binaries> {
  const bin = binDir ?? join(await prepareNative(packagedNative(major), scratchDir), 'bin');
  const postgres = join(bin, 'postgres');
  const { stdout } = await run(postgres, ['--version'], { ...serverIdentity, cwd: '/' }).catch((error) => {
    throw new Error(
      `expected PostgreSQL's programs in ${bin}, but could not run postgres: ${error.message}`,
      {
        cause: error,
      },
    );
  });
  const version = /\d+(\.\d+|devel|beta\d+|rc\d+)/.exec(stdout)?.[0];
  if (!version) throw new Error(`expected a version from ${postgres} --version, got: ${stdout.trim()}`);
  return {
    initdb: join(bin, 'initdb'),
    postgres,
    version,
    major: Number.parseInt(version, 10),
    hasTimescaledb: await hasTimescaledb(bin),
  };
}

/**
 * Returns the directory itself if the server's user can use it, else a complete copy in `scratchDir`. For example, a
 * checkout in root's home directory is not accessible to other users.
 */
export async function prepareNative(native: string, scratchDir: string): Promise<string> {
  if ((await isReachable(join(native, 'bin', 'postgres'))) && (await makeLinks(native))) return native;
  const copy = join(scratchDir, 'native');
  await cp(native, copy, { recursive: true, verbatimSymlinks: true });
  await makeLinks(copy);
  await handOver(copy);
  return copy;
}

/**
 * Makes the symbolic links between libraries that the package's postinstall script makes: `npm ci --ignore-scripts`
 * does not run it. Returns false if a link is missing and cannot be made.
 */
async function makeLinks(native: string): Promise<boolean> {
  const list = await readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  // Both paths are relative to the package: native/lib/...
  const links = JSON.parse(list) as { source: string; target: string }[];
  const missing = links.filter(({ target }) => !existsSync(join(native, '..', target)));
  if (missing.length === 0) return true;
  const writable = await access(join(native, 'lib'), constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!writable) return false;
  for (const { source, target } of missing) {
    await symlink(relative(dirname(target), source), join(native, '..', target)).catch((error) => {
      // Another server that starts at the same time may have made it.
      if (error.code !== 'EEXIST') throw error;
    });
  }
  return true;
}

async function hasTimescaledb(bin: string): Promise<boolean> {
  // Distributions keep modules in different directories. pg_config knows which, but is not always installed.
  const configured = await run(join(bin, 'pg_config'), ['--pkglibdir']).then(
    ({ stdout }) => [stdout.trim()],
    () => [],
  );
  const directories = [...configured, join(bin, '../lib'), join(bin, '../lib/postgresql')];
  return directories.some((directory) =>
    ['so', 'dylib'].some((extension) => existsSync(join(directory, `timescaledb.${extension}`))),
  );
}
