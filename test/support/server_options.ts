/** Which PostgreSQL tests and benchmarks start, from the environment. */
import { PACKAGED_MAJORS } from '../../embedded/postgres/protocol.ts';
import type { PostgresOptions } from '../../embedded/postgres/server.ts';

/** TEST_POSTGRES_BIN_DIR names an installed PostgreSQL, TEST_POSTGRES_VERSION the major version of an npm package. */
export function readServerOptions(
  env: NodeJS.ProcessEnv = process.env,
): Pick<PostgresOptions, 'binDir' | 'major'> {
  const { TEST_POSTGRES_BIN_DIR: binDir, TEST_POSTGRES_VERSION: version } = env;
  if (binDir) return { binDir };
  const major = PACKAGED_MAJORS.find((each) => String(each) === (version || '18'));
  if (major) return { major };
  throw new Error(
    `TEST_POSTGRES_VERSION must be ${PACKAGED_MAJORS.join(', ')}; it is ${JSON.stringify(version)}`,
  );
}
