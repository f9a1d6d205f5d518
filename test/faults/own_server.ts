import { type Postgres, type PostgresOptions, startPostgres } from '../../embedded/postgres/server.ts';
import { afterFile } from '../support/database.ts';
import { readServerOptions } from '../support/server_options.ts';

/** A server of the test's own that it may harm, with embedded PostgreSQL where that can run; deleted after the test file. */
export async function ownServer(
  settings: PostgresOptions['settings'] = {},
  options: Pick<PostgresOptions, 'durable' | 'password' | 'binDir'> = {},
): Promise<Postgres> {
  const server = await startPostgres({ settings, ...readServerOptions(), ...options });
  // After the test file's own hooks, and after its databases are dropped.
  afterFile(() => afterFile(() => afterFile(() => server.stop('immediate'))));
  return server;
}
