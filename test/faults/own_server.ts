import { type Postgres, type PostgresOptions, startPostgres } from '../../embedded/postgres/server.ts';
import { afterFile } from '../support/database.ts';

/** A server of the test's own that it may harm, with embedded PostgreSQL where that can run; deleted after the test file. */
export async function ownServer(settings: PostgresOptions['settings'] = {}): Promise<Postgres> {
  const { TEST_POSTGRES_BIN_DIR: binDir } = process.env;
  const server = await startPostgres({ settings, ...(binDir ? { binDir } : {}) });
  // After the test file's own hooks, and after its databases are dropped.
  afterFile(() => afterFile(() => afterFile(() => server.stop('immediate'))));
  return server;
}
