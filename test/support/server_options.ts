/** Which PostgreSQL tests and benchmarks start, from the environment. */
import type { PostgresOptions } from '../../embedded/postgres/server.ts';

/** TEST_POSTGRES_BIN_DIR names an installed PostgreSQL, TEST_POSTGRES_VERSION the major version of an npm package. */
export function readServerOptions(
  env: NodeJS.ProcessEnv = process.env,
): Pick<PostgresOptions, 'binDir' | 'major'> {
  const { TEST_POSTGRES_BIN_DIR: binDir, TEST_POSTGRES_VERSION: version } = env;
  if (binDir) return { binDir };
  switch (version) {
    case undefined:
    case '':
    case '18':
      return { major: 18 };
    case '15':
      return { major: 15 };
    default:
      throw new Error(`TEST_POSTGRES_VERSION must be 15 or 18; it is ${JSON.stringify(version)}`);
  }
}
