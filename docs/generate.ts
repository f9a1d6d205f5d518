/** `npm run docs`: writes docs/sql.md from the comments in a database that is migrated for it. */
import { writeFile } from 'node:fs/promises';
import pg from 'pg';
import { startPostgres } from '../embedded/postgres/server.ts';
import { migrate } from '../src/db/migrations.ts';
import { describeSchema } from './describe_schema.ts';

const postgres = await startPostgres();
try {
  const url = postgres.url('postgres');
  await migrate(url);
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await writeFile(new URL('sql.md', import.meta.url), await describeSchema(client));
  await client.end();
} finally {
  await postgres.stop();
}
