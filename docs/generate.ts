/** `npm run docs`: writes docs/settings.md, and docs/sql.md from the comments in a temporary database. */
import { writeFile } from 'node:fs/promises';
import pg from 'pg';
import { startPostgres } from '../embedded/postgres/server.ts';
import { migrate } from '../src/db/migrations.ts';
import { describeSchema } from './describe_schema.ts';
import { describeSettings } from './describe_settings.ts';

await writeFile(new URL('settings.md', import.meta.url), describeSettings());

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
