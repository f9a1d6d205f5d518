import assert from 'node:assert/strict';
import { test } from 'node:test';
import { migrate } from '../../src/db/migrations.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';

/** What databases had that development versions migrated before 0.1.0. */
const UNRELEASED: Record<string, string> = {
  'tables without a list of versions': `
    create table s3_connector_private.kysely_migration (name text primary key, timestamp text not null);
    insert into s3_connector_private.kysely_migration values ('0001_tables', now()), ('0010_beyond', now())`,
  'versions without a digest': `
    create table s3_connector_private.kysely_migration (name text primary key, timestamp text not null);
    create table s3_connector_private.versions (version text not null, since timestamptz not null default now());
    insert into s3_connector_private.versions values ('0.1.0')`,
  'migrations that were joined with the first one since': `
    create table s3_connector_private.migrations (name text primary key, digest text not null, applied_at timestamptz default now());
    create table s3_connector_private.versions (version text not null, digest text not null, since timestamptz default now());
    insert into s3_connector_private.migrations values ('migrations/0001_schema.sql', 'of then'), ('migrations/0018_asked_polls.sql', '');
    insert into s3_connector_private.versions values ('0.1.0', 'of then')`,
  'an earlier first migration': `
    create table s3_connector_private.migrations (name text primary key, digest text not null, applied_at timestamptz default now());
    create table s3_connector_private.versions (version text not null, digest text not null, since timestamptz default now());
    insert into s3_connector_private.migrations values ('migrations/0001_schema.sql', 'of then');
    insert into s3_connector_private.versions values ('0.1.0', 'of then')`,
};

for (const [shape, tables] of Object.entries(UNRELEASED)) {
  test(`a database of before 0.1.0 is refused, with nothing changed: ${shape}`, async () => {
    const db = await testDatabase({ empty: true });
    const worker = await db.connect(db.worker);
    await worker.query(`
      create schema s3_connector; create schema s3_connector_private;
      create table s3_connector.connectors (name text primary key);
      ${tables}`);
    const before = await relations(db);
    await assert.rejects(migrate(db.workerUrl), {
      code: 'schema_unreleased',
      message:
        /^the database was migrated by a version before 0\.1\.0 \(.+\), expected one that 0\.1\.0 or later has migrated/,
      hint: /schemas s3_connector, s3_connector_private and s3_connector_queue, migrate again, .* start_after/,
    });
    assert.deepEqual(await relations(db), before);
  });
}

test('a schema s3_connector that somebody else made is no database of before 0.1.0', async () => {
  const db = await testDatabase({ empty: true });
  const worker = await db.connect(db.worker);
  await worker.query('create schema s3_connector');
  await assert.rejects(migrate(db.workerUrl), { code: 'migration_failed', message: /already exists/ });
});

const relations = (db: TestDatabase) =>
  db.query(
    "select oid::regclass::text as name from pg_class where relnamespace::regnamespace::text ~ '^s3_connector' order by 1",
  );
