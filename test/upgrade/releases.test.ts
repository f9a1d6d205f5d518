import assert from 'node:assert/strict';
import { test } from 'node:test';
import { migrate } from '../../src/db/migrations.ts';
import { type TestDatabase, testDatabase } from '../support/database.ts';
import { openWorld } from '../support/world.ts';
import { describeObjects, differences } from './catalog.ts';
import { listFixtures, loadFixture, type Rows, readRows } from './fixture.ts';

/** Tables, and columns as `table.column`, that a migration has removed, each with the place to which it moved the values. */
const MOVED: Record<string, string> = {
  's3_connector_private.audit_findings': 's3_connector.late_files, while the audit runs',
  ...Object.fromEntries(
    ['delimiter', 'quote', 'escape', 'null', 'encoding', 'skip_header'].map((option) => [
      `s3_connector.connectors.csv_${option}`,
      's3_connector.file_formats',
    ]),
  ),
};

const BUCKET = 'fixture';

const world = await openWorld();
const { server } = world;
const fixtures = await listFixtures();
server.store.createBucket(BUCKET);

test('there is a fixture of the first release', () => {
  assert.ok(fixtures.includes('schema_0_1_0.sql.gz'), fixtures.join());
});

test('connectors of the first release keep their hidden keys; new ones leave them out', async () => {
  const db = await loadFixture('schema_0_1_0.sql.gz');
  await migrate(db.workerUrl);
  const includeHidden = () =>
    db.query('select distinct include_hidden from s3_connector.connectors order by 1');
  assert.deepEqual(await includeHidden(), [{ include_hidden: true }]);
  await db.query(`insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table)
    values ('new', 'some-bucket', '**', 'csv', 't')`);
  assert.deepEqual(await includeHidden(), [{ include_hidden: false }, { include_hidden: true }]);
});

const columnsOfConnectors = async (db: { query: TestDatabase['query'] }) =>
  (
    await db.query<{ attname: string }>(
      "select attname from pg_attribute where attrelid = 's3_connector.connectors'::regclass and attnum > 0 and not attisdropped order by attnum",
    )
  ).map(({ attname }) => attname);

test('the columns of connectors are grouped by subject, unless an object of a person uses one', async () => {
  const [upgraded, used, created] = await Promise.all([
    loadFixture('schema_0_1_0.sql.gz'),
    loadFixture('schema_0_1_0.sql.gz'),
    testDatabase({ empty: true }),
  ]);
  await used.query('create view mine as select name, state from s3_connector.connectors');
  const names = await used.query('select * from mine');
  await Promise.all([upgraded, used, created].map((db) => migrate(db.workerUrl)));
  const columns = await columnsOfConnectors(created);
  assert.deepEqual(columns.slice(0, 5), ['name', 'bucket', 'pattern', 'exclude', 'include_hidden']);
  assert.deepEqual(columns.slice(-3), ['retention', 'owner', 'created_at']);
  assert.deepEqual(await columnsOfConnectors(upgraded), columns);
  assert.deepEqual(await used.query('select * from mine'), names);
  assert.deepEqual((await columnsOfConnectors(used)).sort(), columns.toSorted());
});

test("an upgrade keeps a person's triggers as they are, and fires none", async () => {
  const db = await loadFixture('schema_0_1_0.sql.gz');
  const owner = await db.connect(db.worker);
  await owner.query(
    `create schema bells;
    create table bells.rung (by name);
    create function bells.ring() returns trigger language plpgsql as
      'begin insert into bells.rung values (tg_name); return null; end';
    create trigger enabled_bell after update on s3_connector.connectors for each row execute function bells.ring();
    create trigger disabled_bell after update on s3_connector.connectors for each row execute function bells.ring();
    create trigger "Loud bell" after update on s3_connector.connectors for each row execute function bells.ring();
    create trigger files_bell after update on s3_connector.files for each row execute function bells.ring();
    create trigger replica_bell after update on s3_connector.connectors for each row execute function bells.ring();
    alter table s3_connector.connectors disable trigger disabled_bell, enable always trigger "Loud bell",
      enable replica trigger replica_bell`,
  );
  await migrate(db.workerUrl);
  assert.deepEqual(
    await db.query('select tgname, tgenabled from pg_trigger where tgfoid = $1::regproc order by tgname', [
      'bells.ring',
    ]),
    [
      { tgname: 'Loud bell', tgenabled: 'A' },
      { tgname: 'disabled_bell', tgenabled: 'D' },
      { tgname: 'enabled_bell', tgenabled: 'O' },
      { tgname: 'files_bell', tgenabled: 'O' },
      { tgname: 'replica_bell', tgenabled: 'R' },
    ],
  );
  const rung = await db.connect(db.worker);
  assert.equal((await rung.query('select from bells.rung')).rowCount, 0);
});

test('an upgrade keeps the privileges on views that a person has granted', async () => {
  const db = await loadFixture('schema_0_1_0.sql.gz');
  const owner = await db.connect(db.worker);
  await owner.query(`grant select on s3_connector.connector_status to ${db.person.name}`);
  await migrate(db.workerUrl);
  assert.deepEqual(
    await db.query("select has_table_privilege($1, 's3_connector.connector_status', 'select') as granted", [
      db.person.name,
    ]),
    [{ granted: true }],
  );
});

for (const fixture of fixtures) {
  test(`${fixture}: an upgraded database has the objects of a new one`, async () => {
    const [upgraded, created] = await Promise.all([loadFixture(fixture), testDatabase({ empty: true })]);
    await Promise.all([migrate(upgraded.workerUrl), migrate(created.workerUrl)]);
    assert.deepEqual(differences(await describeObjects(upgraded), await describeObjects(created)), []);
  });

  test(`${fixture}: an upgrade keeps every row of every table`, async () => {
    const db = await loadFixture(fixture);
    const before = await readRows(db);
    assert.deepEqual(
      [...before].filter(([, rows]) => rows.length === 0),
      [],
    );
    await migrate(db.workerUrl);
    const after = await readRows(db);
    assert.deepEqual(missingColumns(before, after), []);
    assert.deepEqual(missingRows(before, after), []);
    assert.deepEqual(await db.query('select * from s3_connector_private.wrong_totals()'), []);
  });

  test(`${fixture}: the files of an upgraded connector go on where they were, and new ones come in`, async () => {
    const db = await loadFixture(fixture);
    await db.query('create table sensors (value integer)');
    for (let n = 1; n <= 8; n++) server.store.put(BUCKET, `sensors/${n}.csv`, `reading\n${n}\n`);
    const worker = await world.startWorker({
      DATABASE_URL: db.workerUrl,
      IMPORT_DATABASE_URL: db.importUrl,
      AWS_ENDPOINT_URL_S3: server.endpoint,
    });
    const files = () =>
      db.waitFor<{ key: string; status: string }>(
        "select key, status from s3_connector.files where connector_name = 'sensors' order by key",
        (rows) =>
          rows.length === 8 && !rows.some(({ status }) => /in_queue|running|pending_retry/.test(status)),
      );
    // 3 to 5 were waiting, running and waiting for a retry. 8 is new.
    const ended = ['success', 'failure', 'success', 'success', 'success', 'cancelled', 'undone', 'success'];
    assert.deepEqual(
      (await files()).map(({ status }) => status),
      ended,
    );
    await db.query("select s3_connector.retry('sensors')");
    assert.equal((await files())[1]!.status, 'success');
    assert.deepEqual(
      (await db.query('select value from sensors order by value')).map(({ value }) => value),
      [2, 3, 4, 5, 8],
    );
    assert.deepEqual(await db.query('select * from s3_connector_private.wrong_totals()'), []);
    assert.equal((await worker.end('SIGTERM')).code, 0);
  });

  test(`${fixture}: a session that reads views meanwhile is not disturbed, and reads those of this version after it`, async () => {
    const db = await loadFixture(fixture);
    const reader = await db.connect();
    const views = async () =>
      (
        await reader.query(
          `select oid::regclass::text as name from pg_class
          where relkind = 'v' and relnamespace = 's3_connector'::regnamespace order by 1`,
        )
      ).rows.map(({ name }) => name as string);
    const read = async (name: string) => (await reader.query(`select count(*) as n from ${name}`)).rows[0].n;

    await reader.query('begin');
    const status = await read('s3_connector.connector_status');
    const migrated = migrate(db.workerUrl);
    await db.waitFor<{ n: number }>(
      `select count(*) as n from pg_stat_activity
      where datname = current_database() and query ~ '^(lock table|alter view|rollback)' and application_name = 's3_connector migrate'`,
      ([row]) => row!.n > 0,
    );
    const names = await views();
    for (const name of names) await read(name);
    await reader.query('commit');
    await migrated;
    for (const name of await views()) await read(name);
    assert.ok(names.includes('s3_connector.connector_status'));
    assert.deepEqual([status, await read('s3_connector.connector_status')], [3, 3]);
  });
}

/** Returns the tables and columns that are gone and are not in MOVED. */
function missingColumns(before: Rows, after: Rows): string[] {
  const gone = [...before].flatMap(([table, [row]]) => {
    const now = after.get(table);
    if (now === undefined) return [table];
    return Object.keys(row!)
      .filter((column) => !(column in (now[0] ?? {})))
      .map((column) => `${table}.${column}`);
  });
  return gone.filter((name) => !(name in MOVED));
}

/** Returns the rows that are no longer there, compared by the columns that both have. */
function missingRows(before: Rows, after: Rows): string[] {
  return [...before].flatMap(([table, rows]) => {
    const now = after.get(table) ?? [];
    const columns = Object.keys(rows[0]!).filter(
      (column) => now[0] && column in now[0] && !(`${table}.${column}` in MOVED),
    );
    const text = (row: Record<string, unknown>) => JSON.stringify(columns.map((column) => row[column]));
    const kept = new Set(now.map(text));
    return table in MOVED
      ? []
      : rows.filter((row) => !kept.has(text(row))).map((row) => `${table} ${text(row)}`);
  });
}
