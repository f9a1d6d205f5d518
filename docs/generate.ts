/**
 * `npm run docs`: writes docs/settings.md, the table of AWS's errors in docs/errors.md, and docs/sql.md from the comments in a
 * temporary database.
 */
import { readFile, writeFile } from 'node:fs/promises';
import pg from 'pg';
import { startPostgres } from '../embedded/postgres/server.ts';
import { migrate } from '../src/db/migrations.ts';
import { withAwsErrors } from './describe_aws_errors.ts';
import { describeSchema } from './describe_schema.ts';
import { describeSettings } from './describe_settings.ts';

await writeFile(new URL('settings.md', import.meta.url), describeSettings());
const errors = new URL('errors.md', import.meta.url);
await writeFile(errors, withAwsErrors(await readFile(errors, 'utf8')));

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
