import { type Postgres, type PostgresOptions, startPostgres } from '../../embedded/postgres/server.ts';
import { afterFile } from '../support/database.ts';
import { readServerOptions } from '../support/server_options.ts';

/** A server to do harm to, of the kind that all tests run on where that can be started; gone after the test file. */
export async function ownServer(settings: PostgresOptions['settings'] = {}): Promise<Postgres> {
  const server = await startPostgres({ settings, ...readServerOptions() });
  // Later than what the file itself does after its tests, and than the end of its databases.
  afterFile(() => afterFile(() => afterFile(() => server.stop('immediate'))));
  return server;
}
