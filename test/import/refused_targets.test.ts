import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type pg from 'pg';
import { type ConnectorColumns, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;

before(async () => {
  await db.asSuperuser(`create extension file_fdw; create server files foreign data wrapper file_fdw;
    grant usage on foreign server files to ${db.person.name}`);
  await world.startWorker();
});

interface Refused {
  /** Statements that make the relation of this name. */
  make: (name: string) => string;
  /** Whether only a superuser may make it. */
  bySuperuser?: boolean;
  columns?: Record<string, unknown>;
  code: string;
  message: RegExp;
  hint: RegExp;
}

const CHANGES = { change_column: 'Op', change_values: 'dms' };

const REFUSED: Record<string, Refused> = {
  materialized_view: {
    make: (name) => `create materialized view ${name} as select 1 as n`,
    code: 'not_a_table',
    message: /^target_table must be a table or a view \(got: the materialized view public\.\w+\)$/,
    hint: /^Name a table in target_table, or a view that takes inserts\.$/,
  },
  sequence: {
    make: (name) => `create sequence ${name}`,
    code: 'not_a_table',
    message: /got: the sequence public/,
    hint: /Name a table/,
  },
  composite_type: {
    make: (name) => `create type ${name} as (n integer)`,
    code: 'not_a_table',
    message: /got: the composite type public/,
    hint: /Name a table/,
  },
  index: {
    make: (name) => `create table ${name}_of (n integer); create index ${name} on ${name}_of (n)`,
    code: 'not_a_table',
    message: /got: the index public/,
    hint: /Name a table/,
  },
  aggregating_view: {
    make: (name) =>
      `create table ${name}_base (n integer); create view ${name} as select sum(n) as n from ${name}_base`,
    code: 'target_not_insertable',
    message: /^target_table public\.\w+ is a view that takes no inserts$/,
    hint: /^Name the table under it, or give the view an INSTEAD OF INSERT trigger\.$/,
  },
  view_with_rule: {
    make: (name) => `create table ${name}_base (n integer); create view ${name} as select n from ${name}_base;
      create rule away as on insert to ${name} do instead insert into ${name}_base values (new.n)`,
    code: 'target_has_rules',
    message:
      /^the rules of public\.\w+ decide what becomes of an inserted row, and PostgreSQL does not count those rows$/,
    hint: /^Drop the rules for INSERT: .* INSTEAD OF trigger\.$/,
  },
  file_fdw: {
    make: (name) => `create foreign table ${name} (n integer) server files options (filename '/dev/null')`,
    bySuperuser: true,
    code: 'target_not_insertable',
    message: /is a foreign table that takes no inserts$/,
    hint: /^Name another table: the foreign-data wrapper/,
  },
  merged_view: {
    make: (name) =>
      `create table ${name}_base (n integer primary key); create view ${name} as select n from ${name}_base`,
    columns: { on_conflict: 'update' },
    code: 'no_unique_key',
    message: /^on_conflict is update, but public\.\w+ is a view, which has no primary key or unique index$/,
    hint: /^Set on_conflict to fail, or name a table with a key\.$/,
  },
  merged_table_with_rules: {
    make: (name) => `create table ${name} (n integer primary key);
      create rule also as on insert to ${name} do also notify ${name}`,
    columns: { on_conflict: 'skip' },
    code: 'target_has_rules',
    message:
      /^on_conflict is skip, which PostgreSQL does not support for tables with rules for INSERT or UPDATE, such as public\.\w+$/,
    hint: /^Drop the rules .* or set on_conflict to fail\.$/,
  },
  changed_view: {
    make: (name) =>
      `create table ${name}_base (n integer primary key); create view ${name} as select n from ${name}_base`,
    columns: CHANGES,
    code: 'target_takes_no_changes',
    message:
      /^change_column is set, but public\.\w+ is a view: changes are applied by MERGE, which takes tables only$/,
    hint: /^Name the table under the view in target_table\.$/,
  },
  changed_foreign_table: {
    make: (name) => `create foreign table ${name} (n integer) server files options (filename '/dev/null')`,
    bySuperuser: true,
    columns: CHANGES,
    code: 'target_takes_no_changes',
    message: /is a foreign table: changes are applied by MERGE/,
    hint: /^Name an ordinary table in target_table\.$/,
  },
  changed_foreign_partition: {
    make: (name) => `create table ${name} (n integer) partition by range (n);
      create foreign table ${name}_far partition of ${name} for values from (0) to (9)
        server files options (filename '/dev/null')`,
    bySuperuser: true,
    columns: CHANGES,
    code: 'target_takes_no_changes',
    message: /has a partition that is a foreign table, into which MERGE does not write$/,
    hint: /^Name a table without foreign partitions/,
  },
  changed_table_with_rules: {
    make: (name) => `create table ${name} (n integer primary key);
      create rule also as on delete to ${name} do also notify ${name}`,
    columns: CHANGES,
    code: 'target_has_rules',
    message:
      /^change_column is set, but public\.\w+ has rules, and MERGE does not write into tables with rules$/,
    hint: /^Drop the rules .* and use triggers instead\.$/,
  },
  changed_table_without_key: {
    make: (name) => `create table ${name} (n integer)`,
    columns: CHANGES,
    code: 'no_unique_key',
    message:
      /^change_column is set, but public\.\w+ has no primary key or unique index that says which row a change is about$/,
    hint: /^Add one over columns of the files, for example: alter table public\.\w+ add primary key \(id\);$/,
  },
  unlogged: {
    make: (name) => `create unlogged table ${name} (n integer)`,
    code: 'table_unlogged',
    message: /^public\.\w+ is unlogged: a crash of the server empties it, while its files stay success$/,
    hint: /^Run alter table public\.\w+ set logged; or set allow_unlogged to true if the rows may be lost\.$/,
  },
};

for (const [name, { make, bySuperuser, columns, code, message, hint }] of Object.entries(REFUSED)) {
  test(`${name}: the insert of a connector, an import and check refuse it with the same words`, async () => {
    const insert = (row: ConnectorColumns) => world.insertConnector({ ...row, ...columns });
    const run = bySuperuser ? db.asSuperuser : db.query;
    await run(make(`${name}_now`));
    const refused = await insert({
      name: `${name}_now`,
      pattern: `${name}/*`,
      target_table: `${name}_now`,
    }).then(
      () => assert.fail('the insert succeeded'),
      (error: pg.DatabaseError) => error,
    );
    assert.equal(refused.code, '22023');
    assert.match(refused.message, message);
    assert.match(refused.hint!, hint);

    // Made after the connector.
    world.put(`${name}/1.csv`, 'n\n1\n');
    const later = { name: `${name}_later`, pattern: `${name}/*`, target_table: `${name}_later` };
    await insert({ ...later, state: 'paused' });
    await run(make(`${name}_later`));
    await db.query('select s3_connector.resume($1)', [later.name]);
    const [file] = await world.settled(later.name);
    const words = `${refused.message}. ${refused.hint}`.replaceAll(`${name}_now`, `${name}_later`);
    assert.deepEqual(
      [file!.status, file!.error_code, file!.error_message],
      ['failure', code, `${name}/1.csv: ${words}`],
    );
    await db.query(`call s3_connector.check('${later.name}')`);
    const step = await db.one(
      `select ok, message || '. ' || hint as words from s3_connector.checks where connector_name = $1 and step = 'target'`,
      [later.name],
    );
    assert.deepEqual(step, { ok: false, words });
  });
}

test('a setting that has nothing to do with the target can be changed after the target became unlogged', async () => {
  await db.query('create table changed (n integer)');
  await world.insertConnector({
    name: 'changed',
    pattern: 'changed/*',
    target_table: 'changed',
    state: 'paused',
  });
  await db.query('alter table changed set unlogged');
  await db.query("update s3_connector.connectors set max_attempts = 2 where name = 'changed'");
  await assert.rejects(
    db.query("update s3_connector.connectors set on_conflict = 'skip' where name = 'changed'"),
    {
      code: '22023',
      column: 'allow_unlogged',
    },
  );
  await db.query("update s3_connector.connectors set allow_unlogged = true where name = 'changed'");
});

test('check says how rows come into a view, and asks for the privilege to make temporary tables', async () => {
  const owner = await db.createRole();
  const [{ database }] = (await db.query<{ database: string }>('select current_database() as database')) as [
    { database: string },
  ];
  await db.query(`create table viewed_base (n integer); create view viewed as select n from viewed_base;
    grant insert on viewed to ${owner.name}; grant s3_connector_admin to ${owner.name}`);
  await db.asSuperuser(`revoke temporary on database "${database}" from public`);
  const session = await db.connect(owner);
  world.put('viewed/1.csv', 'n\n1\n');
  await session.query(
    `insert into s3_connector.connectors (name, bucket, endpoint, pattern, file_format, target_table, state)
      values ('viewed', $1, $2, 'viewed/*', 'csv', 'viewed', 'paused')`,
    [world.bucket, world.server.endpoint],
  );
  await db.query("call s3_connector.check('viewed')");
  const steps = await db.query<{ step: string; ok: boolean; message: string; hint: string }>(
    "select step, ok, message, hint from s3_connector.checks where connector_name = 'viewed' and step in ('target', 'grants') order by step desc",
  );
  assert.deepEqual(
    steps.map(({ step, ok }) => [step, ok]),
    [
      ['target', true],
      ['grants', false],
    ],
  );
  assert.match(steps[0]!.message, /"viewed" is a view, whose rows come by INSERT; 1 of the 1 columns/);
  assert.equal(steps[1]!.hint, `grant temporary on database ${database} to ${owner.name};`);
  await db.asSuperuser(`grant temporary on database "${database}" to public`);
});
