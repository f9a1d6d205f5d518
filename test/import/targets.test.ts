import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { before, test } from 'node:test';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import type { Login } from '../support/roles.ts';
import { openWorld } from '../support/world.ts';
import { asCsv, asParquet, KINDS, type Kind, type Row } from './target_kinds.ts';

// The oracle: the same rows, by PostgreSQL's own COPY or INSERT of the owner, into a target of the same kind in another schema.

const world = await openWorld();
const { db } = world;
let owner: Login;
let session: pg.Client;
let version: number;

before(async () => {
  // No bypassrls, unlike the tests' person.
  owner = await db.createRole();
  session = await db.connect(owner);
  const { port, major } = await db.one<{ port: number; major: number }>(
    "select inet_server_port() as port, current_setting('server_version_num')::int / 10000 as major",
  );
  version = major;
  await db.asSuperuser(`grant s3_connector_admin to ${owner.name};
    create schema mine authorization ${owner.name}; create schema oracle authorization ${owner.name};
    create extension postgres_fdw; create extension file_fdw;
    create server here foreign data wrapper postgres_fdw options (host '127.0.0.1', port '${port}', dbname '${db.name}');
    create server files foreign data wrapper file_fdw;
    create user mapping for ${owner.name} server here options (user '${owner.name}', password '${owner.password}');
    grant usage on foreign server here to ${owner.name}`);
  await world.startWorker();
});

/** Makes a target of a kind in both schemas. */
async function make(kind: Kind, name: string): Promise<void> {
  for (const schema of ['mine', 'oracle']) {
    await session.query(
      `set search_path to ${schema}, public; ${kind.setup(name, schema)}; reset search_path`,
    );
  }
}

/** What PostgreSQL itself does with the rows, in one statement; its error, if it refuses them. */
async function byPostgres(kind: Kind, name: string, rows: Row[]): Promise<pg.DatabaseError | undefined> {
  const columns = Object.keys(kind.columns).join(', ');
  try {
    if (kind.takes === 'copy') {
      const copy = session.query(
        copyFrom(`copy oracle.${name} (${columns}) from stdin with (format csv, header)`),
      );
      await pipeline(Readable.from(asCsv(kind, rows)), copy);
    } else {
      const values = rows.map(
        (row) => `(${row.map((value) => (value === '' ? 'null' : pg.escapeLiteral(value))).join(', ')})`,
      );
      await session.query(`insert into oracle.${name} (${columns}) values ${values.join(', ')}`);
    }
  } catch (error) {
    assert.ok(error instanceof pg.DatabaseError, String(error));
    return error;
  }
  return undefined;
}

async function content(kind: Kind, name: string, schema: string): Promise<unknown[]> {
  const { rows } = await session.query(
    `select t.* from ${schema}.${kind.lands?.(name) ?? name} t order by t::text`,
  );
  return rows;
}

async function importFile(
  name: string,
  target: string,
  body: Buffer | string,
  columns: Record<string, unknown> = {},
) {
  world.put(`${name}/1`, body);
  await insertAsOwner({ name, target_table: `mine.${target}`, pattern: `${name}/*`, ...columns });
  return (await world.settled(name))[0]!;
}

async function insertAsOwner(columns: Record<string, unknown>): Promise<void> {
  const row = {
    bucket: world.bucket,
    endpoint: world.server.endpoint,
    file_format: 'csv',
    max_attempts: 1,
    ...columns,
  };
  const names = Object.keys(row);
  await session.query(
    `insert into s3_connector.connectors (${names.join(', ')}) values (${names.map((_, i) => `$${i + 1}`).join(', ')})`,
    Object.values(row),
  );
}

for (const [name, kind] of Object.entries(KINDS)) {
  const skip = () => version < (kind.since ?? 0);

  for (const format of ['csv', 'parquet']) {
    test(`${kind.title}: a ${format} file's rows land as by ${kind.takes}`, async (t) => {
      if (skip()) return t.skip(`PostgreSQL ${kind.since} or newer`);
      const target = `${name}_${format}`;
      await make(kind, target);
      assert.equal(await byPostgres(kind, target, kind.good), undefined);
      const body = format === 'csv' ? asCsv(kind, kind.good) : await asParquet(kind, kind.good);
      const file = await importFile(target, target, body, { file_format: format });
      const dropped = kind.dropped ?? 0;
      assert.deepEqual(
        [
          file.status,
          file.error_message,
          file.rows_read,
          file.rows_imported,
          file.rows_rejected,
          file.rows_skipped,
        ],
        ['success', null, kind.good.length, kind.good.length - dropped, 0, dropped],
      );
      assert.deepEqual(await content(kind, target, 'mine'), await content(kind, target, 'oracle'));
    });
  }

  if (kind.bad === undefined) continue;
  const bad = kind.bad;
  // The bad row is the second: line 3 of the CSV.
  const rows = [kind.good[0]!, bad.row, ...kind.good.slice(1)];

  test(`${kind.title}: a row that ${kind.takes} refuses fails the file, with its line and PostgreSQL's words`, async (t) => {
    if (skip()) return t.skip(`PostgreSQL ${kind.since} or newer`);
    const target = `${name}_bad`;
    await make(kind, target);
    const refused = await byPostgres(kind, target, rows);
    assert.ok(refused, 'PostgreSQL refuses the row');
    const file = await importFile(target, target, asCsv(kind, rows));
    assert.deepEqual([file.status, file.error_code], ['failure', bad.code], file.error_message ?? '');
    const words = refused.message.replaceAll('oracle', 'mine');
    assert.ok(file.error_message!.includes(words), file.error_message!);
    if (!bad.lineless) assert.match(file.error_message!, /line 3/);
    assert.deepEqual(await content(kind, target, 'mine'), []);
  });

  test(`${kind.title}: on_bad_row = skip rejects that row, and the others land`, async (t) => {
    if (skip()) return t.skip(`PostgreSQL ${kind.since} or newer`);
    const target = `${name}_skip`;
    await make(kind, target);
    assert.equal(await byPostgres(kind, target, kind.good), undefined);
    const file = await importFile(target, target, asCsv(kind, rows), { on_bad_row: 'skip' });
    const dropped = kind.dropped ?? 0;
    assert.deepEqual(
      [file.status, file.error_message, file.rows_imported, file.rows_rejected, file.rows_skipped],
      ['success', null, kind.good.length - dropped, 1, dropped],
    );
    assert.deepEqual(await content(kind, target, 'mine'), await content(kind, target, 'oracle'));
    const [rejected] = await db.query<{ line: number; raw: string }>(
      'select line::int, raw from s3_connector.rejected_rows where connector_name = $1',
      [target],
    );
    assert.deepEqual(rejected, { line: 3, raw: bad.row.join(',') });
  });
}

for (const name of [
  'writable_view',
  'instead_view',
  'row_security',
  'foreign_table',
  'partitioned',
] as const) {
  const kind: Kind = KINDS[name]!;
  test(`${kind.title}: file_id_column fills the file's id, a dry run keeps nothing, and undo_file deletes one file's rows`, async () => {
    const target = `${name}_undo`;
    await make(kind, target);
    for (const table of kind.tables(target)) {
      await session.query(
        `set search_path to mine, public; alter table ${table} add column file_id bigint; reset search_path`,
      );
    }
    if (kind.remake)
      await session.query(`set search_path to mine, public; ${kind.remake(target)}; reset search_path`);
    const [first, second] = [kind.good.slice(0, 1), kind.good.slice(1, 2)];
    world.put(`${target}/2`, asCsv(kind, second));
    await importFile(target, target, asCsv(kind, first), { file_id_column: 'file_id' });
    const files = await world.settled(target);
    assert.deepEqual(
      files.map((file) => file.error_message ?? file.status),
      ['success', 'success'],
    );
    const { rows } = await session.query<{ rows_imported: number; error_message: string | null }>(
      `call s3_connector.dry_run_file('${target}', '${target}/2')`,
    );
    assert.deepEqual([Number(rows[0]!.rows_imported), rows[0]!.error_message ?? null], [1, null]);
    assert.equal((await content(kind, target, 'mine')).length, 2);
    const undone = await session.query<{ deleted: string }>(
      `select s3_connector.undo_file('${target}', '${target}/1') as deleted`,
    );
    assert.equal(Number(undone.rows[0]!.deleted), 1);
    const left = (await content(kind, target, 'mine')) as { file_id: number }[];
    assert.deepEqual(
      left.map((row) => Number(row.file_id)),
      [Number((files[1] as unknown as { id: string }).id)],
    );
  });
}

test('row level security: on_conflict = update merges, and a row that a policy refuses is rejected', async () => {
  await session.query(`create table mine.guarded (n integer primary key, s text); alter table mine.guarded enable row level security, force row level security;
    create policy small on mine.guarded using (true) with check (n < 100)`);
  await session.query("insert into mine.guarded values (1, 'old')");
  const file = await importFile('guarded', 'guarded', 'n,s\n1,new\n200,big\n2,new\n1,last\n', {
    on_conflict: 'update',
    on_bad_row: 'skip',
  });
  assert.deepEqual(
    [file.error_message ?? file.status, file.rows_read, file.rows_rejected],
    ['success', 4, 1],
  );
  assert.deepEqual(await db.query('select * from mine.guarded order by n'), [
    { n: 1, s: 'last' },
    { n: 2, s: 'new' },
  ]);
});

test('on_conflict = update: a row without a partition is rejected, and the others are merged', async () => {
  await session.query(`create table mine.parts (n integer primary key, s text) partition by range (n);
    create table mine.parts_1 partition of mine.parts for values from (0) to (100);
    insert into mine.parts values (1, 'old')`);
  const file = await importFile('parts', 'parts', 'n,s\n1,new\n200,big\n2,new\n', {
    on_conflict: 'update',
    on_bad_row: 'skip',
  });
  assert.deepEqual(
    [file.error_message ?? file.status, file.rows_read, file.rows_imported, file.rows_rejected],
    ['success', 3, 2, 1],
  );
  assert.deepEqual(await db.query('select * from mine.parts order by n'), [
    { n: 1, s: 'new' },
    { n: 2, s: 'new' },
  ]);
});

test('on_conflict = update merges into a table whose key is generated always as identity', async () => {
  await session.query(`create table mine.keyed (id bigint generated always as identity primary key, s text);
    insert into mine.keyed overriding system value values (7, 'old')`);
  const file = await importFile('keyed', 'keyed', 'id,s\n7,new\n8,other\n', { on_conflict: 'update' });
  assert.deepEqual([file.error_message ?? file.status, file.rows_imported], ['success', 2]);
  assert.deepEqual(await db.query('select id::int, s from mine.keyed order by id'), [
    { id: 7, s: 'new' },
    { id: 8, s: 'other' },
  ]);
});

test('on_conflict = update of an identity that is generated always is refused before a row is copied', async () => {
  await session.query(
    'create table mine.counted (s text primary key, id bigint generated always as identity)',
  );
  const file = await importFile('counted', 'counted', 's,id\na,7\n', { on_conflict: 'update' });
  assert.equal(file.error_code, 'column_not_writable');
  assert.match(file.error_message!, /column id is generated always as identity.*set generated by default/);
});

test('on_conflict = skip merges into a table whose trigger fills a column that must not be null', async () => {
  await session.query(`create table mine.filled (n integer primary key, s text not null);
    create function mine.fill() returns trigger language plpgsql as $$ begin new.s := 'filled'; return new; end $$;
    create trigger fill before insert on mine.filled for each row execute function mine.fill();
    insert into mine.filled values (1, 'x')`);
  const file = await importFile('filled', 'filled', 'n,s\n1,\n2,\n', { on_conflict: 'skip' });
  assert.deepEqual(
    [file.error_message ?? file.status, file.rows_imported, file.rows_skipped],
    ['success', 1, 1],
  );
});

test('on_conflict = update: an error of the merge names the line of the bad row', async () => {
  await session.query(`create table mine.referred (n integer primary key); insert into mine.referred values (1), (2);
    create table mine.referring (n integer primary key, r integer references mine.referred);
    insert into mine.referring values (1, 1)`);
  const file = await importFile('referring', 'referring', 'n,r\n1,2\n2,1\n3,7\n4,1\n', {
    on_conflict: 'update',
  });
  assert.equal(file.error_code, 'foreign_key_violated');
  assert.match(file.error_message!, /line 4: .*violates foreign key constraint/);
  assert.deepEqual(await db.query('select * from mine.referring'), [{ n: 1, r: 1 }]);
});

test('row level security with a rule for INSERT is refused, because PostgreSQL would not count the rows', async () => {
  await session.query(`create table mine.ruled_rows (n integer);
    alter table mine.ruled_rows enable row level security, force row level security;
    create policy all_rows on mine.ruled_rows using (true);
    create rule away as on insert to mine.ruled_rows do instead nothing`);
  await assert.rejects(
    insertAsOwner({ name: 'ruled_rows', pattern: 'ruled_rows/*', target_table: 'mine.ruled_rows' }),
    { code: '22023', column: 'target_table', message: /^the rules of mine\.ruled_rows decide/ },
  );
});

test('a file with a column for a generated one is refused, and says how to leave it out', async () => {
  await session.query(
    'create table mine.doubled (n integer, twice integer generated always as (n * 2) stored)',
  );
  const columns = { on_unknown_column: 'ignore' };
  const file = await importFile('doubled', 'doubled', 'n,twice\n1,2\n', columns);
  assert.equal(file.error_code, 'column_not_writable');
  assert.match(file.error_message!, /column "twice" is generated.*column_mappings/);
});

test('an expression of a view cannot be filled, unless its INSTEAD OF trigger decides', async () => {
  await session.query(`create table mine.computing_base (n integer);
    create view mine.computing as select n, n * 2 as twice from mine.computing_base`);
  const file = await importFile('computing', 'computing', 'n,twice\n1,2\n');
  assert.equal(file.error_code, 'column_not_writable');
  await session.query(`create function mine.compute() returns trigger language plpgsql as $$ begin
      insert into mine.computing_base values (new.n + new.twice); return new; end $$;
    create trigger compute instead of insert on mine.computing for each row execute function mine.compute()`);
  await session.query("select s3_connector.retry('computing')");
  assert.equal((await world.settled('computing'))[0]!.error_message, null);
  assert.deepEqual(await db.query('select n from mine.computing_base'), [{ n: 3 }]);
});

test('by position, an identity that is generated always is filled only if the file has all columns', async () => {
  await session.query(
    'create table mine.positions (id bigint generated always as identity, n integer, s text)',
  );
  world.put('positions/2', '1,a\n');
  await importFile('positions', 'positions', '70,7,b\n', {
    csv_skip_header: false,
    match_columns_by: 'position',
  });
  const files = await world.settled('positions');
  assert.deepEqual(
    files.map((file) => file.error_message),
    [null, null],
  );
  assert.deepEqual(await db.query('select id::int, n, s from mine.positions order by n'), [
    { id: 1, n: 1, s: 'a' },
    { id: 70, n: 7, s: 'b' },
  ]);
});

test('a preview says why an import would fail', async () => {
  world.put('previewed/1', 'n\n1\n');
  await insertAsOwner({
    name: 'previewed',
    pattern: 'previewed/*',
    target_table: 'mine.previewed',
    state: 'paused',
  });
  await session.query('create materialized view mine.previewed as select 1 as n');
  const notices: string[] = [];
  session.on('notice', ({ message }) => notices.push(message ?? ''));
  await session.query("call s3_connector.preview('previewed')");
  assert.ok(
    notices.some((notice) =>
      /would fail: target_table must be a table or a view \(got: the materialized view/.test(notice),
    ),
    notices.join('\n'),
  );
});

test('a role that may only insert fills a table with row level security', async () => {
  const inserter = await db.createRole();
  await db.asSuperuser(
    `grant s3_connector_admin to ${inserter.name}; grant usage on schema mine to ${inserter.name}`,
  );
  await session.query(`create table mine.insert_only (n integer, s text); alter table mine.insert_only enable row level security;
    create policy all_rows on mine.insert_only for insert with check (true);
    grant insert on mine.insert_only to ${inserter.name}`);
  const client = await db.connect(inserter);
  world.put('insert_only/1', 'n,s\n1,a\n');
  await client.query(
    `insert into s3_connector.connectors (name, bucket, endpoint, pattern, file_format, target_table)
      values ('insert_only', $1, $2, 'insert_only/*', 'csv', 'mine.insert_only')`,
    [world.bucket, world.server.endpoint],
  );
  const [file] = await world.settled('insert_only');
  assert.equal(file!.error_message ?? file!.status, 'success');
  assert.deepEqual(await db.query('select n, s from mine.insert_only'), [{ n: 1, s: 'a' }]);
});

test('by_insert is what row_security_active says, for each kind of owner', async () => {
  const [member, bypassing] = [await db.createRole(), await db.createRole('bypassrls')];
  await db.asSuperuser(
    `grant ${owner.name} to ${member.name}; grant usage on schema mine to ${bypassing.name}, ${member.name}, ${db.person.name}`,
  );
  for (const [table, settings] of [
    ['open', 'disable row level security'],
    ['enabled', 'enable row level security'],
    ['forced', 'enable row level security, force row level security'],
  ]) {
    await session.query(`create table mine.${table} (n integer); alter table mine.${table} ${settings};
      grant select on mine.${table} to public`);
    for (const role of [owner, member, bypassing]) {
      const client = await db.connect(role);
      const { rows } = await client.query<{ active: boolean }>('select row_security_active($1) as active', [
        `mine.${table}`,
      ]);
      const { by_insert } = await db.one<{ by_insert: boolean }>(
        "select by_insert from s3_connector_import.describe_table('mine', $1, $2)",
        [table, role.name],
      );
      assert.equal(by_insert, rows[0]!.active, `${table} of ${role.name}`);
    }
  }
});
