import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { test } from 'node:test';
import { migrate } from '../../src/db/migrations.ts';
import { testDatabase } from '../support/database.ts';

test('migrating is idempotent, and safe when several do it at once', async () => {
  const db = await testDatabase({ empty: true });
  await Promise.all([migrate(db.workerUrl), migrate(db.workerUrl), migrate(db.workerUrl)]);
  await migrate(db.workerUrl);
  const files = await readdir(new URL('../../migrations', import.meta.url));
  assert.deepEqual(
    await db.query('select name from s3_connector_private.kysely_migration order by name'),
    files.sort().map((file) => ({ name: file.replace(/\.sql$/, '') })),
  );
  assert.deepEqual(await db.query('select * from s3_connector.connector_status'), []);
});
