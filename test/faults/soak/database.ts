import pg from 'pg';
import { type Postgres, startPostgres } from '../../../embedded/postgres/server.ts';
import { readServerOptions } from '../../support/server_options.ts';

/** Fast enough for a minute's dead rows; a server's own preset is a minute. */
const SETTINGS = { autovacuum_naptime: '5s' };

/** A server of its own, with a session of its superuser. */
export class SoakDatabase {
  readonly postgres: Postgres;
  #client: pg.Client;

  private constructor(postgres: Postgres, client: pg.Client) {
    this.postgres = postgres;
    this.#client = client;
  }

  static async start(): Promise<SoakDatabase> {
    const postgres = await startPostgres({ settings: SETTINGS, ...readServerOptions() });
    return new SoakDatabase(postgres, await connect(postgres));
  }

  /** The session. A restart replaces it. */
  get client(): pg.Client {
    return this.#client;
  }

  /** Crashes the server and starts it again. */
  async restart(): Promise<void> {
    await this.#client.end();
    await this.postgres.restart('immediate');
    this.#client = await connect(this.postgres);
  }

  async stop(): Promise<void> {
    await this.#client.end();
    await this.postgres.stop();
  }
}

async function connect(postgres: Postgres): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: postgres.url() });
  // If the run fails, the server may stop first. A lost session shows at the next query.
  client.on('error', () => {});
  await client.connect();
  return client;
}
