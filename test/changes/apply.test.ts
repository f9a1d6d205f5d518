import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { zipSync } from 'fflate';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

const DMS = { change_column: 'Op', change_values: 'dms' };

/** Puts files and imports them in order. Returns their counts: read, inserted, updated, deleted, rejected, skipped. */
async function apply(name: string, bodies: (Buffer | string)[], columns: Record<string, unknown> = DMS) {
  for (const [i, body] of bodies.entries()) world.put(`${name}/${i}`, body);
  await world.insertConnector({ name, pattern: `${name}/*`, target_table: name, ...columns });
  const files = (await world.settled(name)) as unknown as Record<string, number | string>[];
  return files.map((file) =>
    file.status === 'success'
      ? ['read', 'inserted', 'updated', 'deleted', 'rejected', 'skipped'].map((what) => file[`rows_${what}`])
      : [file.status, file.error_code, file.error_message],
  );
}

const rowsOf = (table: string) => db.query(`select * from ${table} order by 1`);

test('a file of DMS inserts, updates and deletes rows by the primary key', async () => {
  await db.query(
    "create table dms (id integer primary key, name text); insert into dms values (2, 'old'), (3, 'old')",
  );
  const counts = await apply('dms', ['Op,id,name\nI,1,new\nU,2,new\nD,3,old\n']);
  assert.deepEqual(counts, [[3, 1, 1, 1, 0, 0]]);
  assert.deepEqual(await rowsOf('dms'), [
    { id: 1, name: 'new' },
    { id: 2, name: 'new' },
  ]);
});

test('an update of a missing key inserts, an insert of an existing key updates, a delete of a missing key is skipped', async () => {
  await db.query(
    "create table loose (id integer primary key, name text); insert into loose values (2, 'old')",
  );
  assert.deepEqual(await apply('loose', ['Op,id,name\nU,1,new\nI,2,new\nD,3,\n']), [[3, 1, 1, 0, 0, 1]]);
  assert.deepEqual(await rowsOf('loose'), [
    { id: 1, name: 'new' },
    { id: 2, name: 'new' },
  ]);
});

test('in a file, the last change of a key wins', async () => {
  await db.query('create table last (id integer primary key, name text)');
  const counts = await apply('last', ['Op,id,name\nI,1,a\nU,1,b\nI,2,a\nD,2,a\nI,3,a\nD,3,a\nI,3,c\n']);
  assert.deepEqual(counts, [[7, 2, 0, 0, 0, 5]]);
  assert.deepEqual(await rowsOf('last'), [
    { id: 1, name: 'b' },
    { id: 3, name: 'c' },
  ]);
});

test('a sequence is compared as a number, and not as text; equal ones by the order in the file', async () => {
  await db.query('create table numbers (id integer primary key, name text)');
  const counts = await apply('numbers', ['Op,id,name,seq\nU,1,ten,10\nU,1,nine,9\nU,2,a,5\nU,2,b,5\n'], {
    ...DMS,
    sequence_column: 'seq',
  });
  assert.deepEqual(counts, [[4, 2, 0, 0, 0, 2]]);
  assert.deepEqual(await rowsOf('numbers'), [
    { id: 1, name: 'ten' },
    { id: 2, name: 'b' },
  ]);
});

test('a sequence of texts needs a type in column_mappings', async () => {
  await db.query('create table lsn (id integer primary key, name text)');
  const body = 'Op,id,name,seq\nU,1,later,0/10\nU,1,earlier,0/9\n';
  const [failed] = await apply('lsn', [body], { ...DMS, sequence_column: 'seq' });
  assert.deepEqual(failed!.slice(0, 2), ['failure', 'sequence_type_unknown']);
  await db.query(`select s3_connector.pause('lsn');
    insert into s3_connector.column_mappings values ('lsn', 'seq', 'seq', 'pg_lsn');
    select s3_connector.resume('lsn'); select s3_connector.retry('lsn')`);
  await world.settled('lsn');
  assert.deepEqual(await rowsOf('lsn'), [{ id: 1, name: 'later' }]);
});

for (const [type, first, last] of [
  ['uuid', 'f0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '00000000-0000-4000-8000-000000000000'],
  ['boolean', 't', 'f'],
] as const) {
  test(`a sequence of ${type} needs a type in column_mappings: its order says nothing about time`, async () => {
    await db.query(`create table of_${type} (id integer primary key, name text)`);
    const body = `Op,id,name,seq\nU,1,earlier,${first}\nU,1,later,${last}\n`;
    const [failed] = await apply(`of_${type}`, [body], { ...DMS, sequence_column: 'seq' });
    assert.deepEqual(failed!.slice(0, 2), ['failure', 'sequence_type_unknown']);
  });
}

test('a row of the table is not replaced or deleted by an older change, if the table has the sequence', async () => {
  await db.query(
    "create table stored (id integer primary key, name text, seq bigint); insert into stored values (1, 'new', 10), (2, 'new', 10), (3, 'none', null), (4, 'new', 10)",
  );
  const counts = await apply('stored', ['Op,id,name,seq\nU,1,old,9\nD,2,,9\nU,3,first,1\nU,4,same,10\n'], {
    ...DMS,
    sequence_column: 'seq',
  });
  assert.deepEqual(counts, [[4, 0, 2, 0, 0, 2]]);
  assert.deepEqual(await rowsOf('stored'), [
    { id: 1, name: 'new', seq: 10 },
    { id: 2, name: 'new', seq: 10 },
    { id: 3, name: 'first', seq: 1 },
    { id: 4, name: 'same', seq: 10 },
  ]);
});

test('columns that a file lacks keep their values on an update, and get their defaults on an insert', async () => {
  await db.query(
    "create table partial (id integer primary key, name text, note text default 'none'); insert into partial values (1, 'a', 'kept'), (2, 'a', 'lost')",
  );
  const counts = await apply('partial', ['Op,id,name\nU,1,b\nI,3,b\nD,2,\nI,2,b\n']);
  assert.deepEqual(counts, [[4, 1, 2, 0, 0, 1]]);
  assert.deepEqual(await rowsOf('partial'), [
    { id: 1, name: 'b', note: 'kept' },
    // The file deletes the row, and inserts another one.
    { id: 2, name: 'b', note: 'none' },
    { id: 3, name: 'b', note: 'none' },
  ]);
});

test('Debezium: __op and __deleted, in Parquet; columns that the table lacks are left out only if they are ignored', async () => {
  await db.query(
    "create table dbz (id bigint primary key, name text); insert into dbz values (2, 'old'), (3, 'old')",
  );
  const rows = "values ('c', 1, 'new', 5), ('u', 2, 'new', 6), ('d', 3, null, 7), ('r', 4, 'snapshot', 1)";
  const counts = await apply('dbz', [await parquetOf(`select * from (${rows}) r(__op, id, name, __lsn)`)], {
    file_format: 'parquet',
    change_column: '__op',
    change_values: 'debezium',
    sequence_column: '__lsn',
  });
  assert.deepEqual(counts, [[4, 2, 1, 1, 0, 0]]);
  const deleted = await parquetOf("select * from (values (1, 'true'), (5, 'false')) r(id, __deleted)");
  await db.query('create table dbz_deleted (id bigint primary key); insert into dbz_deleted values (1)');
  assert.deepEqual(
    await apply('dbz_deleted', [deleted], {
      file_format: 'parquet',
      change_column: '__deleted',
      change_values: 'debezium',
    }),
    [[2, 1, 0, 1, 0, 0]],
  );
});

test('a truncate fails the file, also if bad rows are skipped', async () => {
  await db.query('create table truncated (id integer primary key); insert into truncated values (1)');
  const [failed] = await apply('truncated', ['__op,id\nc,2\nt,3\n'], {
    change_column: '__op',
    change_values: 'debezium',
    on_bad_row: 'skip',
  });
  assert.deepEqual(failed!.slice(0, 2), ['failure', 'truncate_not_applied']);
  assert.match(
    String(failed![2]),
    /line 3: .*a truncate of the source table is not applied.*Truncate the table yourself/s,
  );
  assert.deepEqual(await rowsOf('truncated'), [{ id: 1 }]);
});

test('a map of values of its own may ignore some rows', async () => {
  await db.query("create table cdf (id integer primary key, name text); insert into cdf values (1, 'old')");
  const body =
    '_change_type,id,name\nupdate_preimage,1,old\nupdate_postimage,1,new\ninsert,2,new\ndelete,3,\n';
  const map = { insert: 'insert', update_preimage: 'ignore', update_postimage: 'update', delete: 'delete' };
  assert.deepEqual(
    await apply('cdf', [body], { change_column: '_change_type', change_values: JSON.stringify(map) }),
    [[4, 1, 1, 0, 0, 2]],
  );
});

test('DMS: a full load without the column is all inserts; other files must have the column', async () => {
  await db.query('create table loads (id integer primary key, name text)');
  assert.deepEqual(await apply('loads', ['id,name\n1,a\n2,a\n', 'Op,id,name\nD,1,a\n']), [
    [2, 2, 0, 0, 0, 0],
    [1, 0, 0, 1, 0, 0],
  ]);
  await db.query('create table no_op (id integer primary key)');
  const [failed] = await apply('no_op', ['id\n1\n'], { ...DMS, change_values: '{"I": "insert"}' });
  assert.deepEqual(failed!.slice(0, 2), ['failure', 'no_change_column']);
});

test('DMS without a header: the change column is named by its position', async () => {
  await db.query(
    "create table headless (id integer primary key, name text); insert into headless values (102, 'x')",
  );
  const counts = await apply('headless', ['I,101,Smith\nU,102,Jones\nD,103,\n'], {
    ...DMS,
    change_column: '1',
    csv_skip_header: false,
  });
  assert.deepEqual(counts, [[3, 1, 1, 0, 0, 1]]);
  assert.deepEqual(await rowsOf('headless'), [
    { id: 101, name: 'Smith' },
    { id: 102, name: 'Jones' },
  ]);
});

test('the table may have the change column itself, and a column for the last file', async () => {
  await db.query('create table stored_op (id integer primary key, "Op" text, file bigint)');
  const counts = await apply('stored_op', ['Op,id\nI,1\nI,2\n', 'Op,id\nU,1\nD,2\n'], {
    ...DMS,
    file_id_column: 'file',
  });
  assert.deepEqual(counts, [
    [2, 2, 0, 0, 0, 0],
    [2, 0, 1, 1, 0, 0],
  ]);
  assert.deepEqual(
    await db.query(
      'select s.id, "Op" as op, f.key from stored_op s join s3_connector.files f on f.id = s.file',
    ),
    [{ id: 1, op: 'U', key: 'stored_op/1' }],
  );
});

test('a row with an unknown change or without a key fails the file with its line, or is skipped', async () => {
  await db.query('create table bad (id integer primary key, name text)');
  const unknown = 'Op,id,name\nI,1,a\nX,2,b\n';
  const [failed] = await apply('bad', [unknown]);
  assert.deepEqual(failed!.slice(0, 2), ['failure', 'check_violated']);
  assert.match(String(failed![2]), /line 3.*value of change_column is not in change_values/);

  await db.query('create table keyless (id integer primary key, name text)');
  const [keyless] = await apply('keyless', ['Op,id,name\nI,1,a\nD,,b\n']);
  assert.deepEqual(keyless!.slice(0, 2), ['failure', 'null_not_allowed']);
  assert.match(String(keyless![2]), /line 3.*"id"/);

  await db.query('create table skipped (id integer primary key, name text)');
  const skipped = await apply('skipped', ['Op,id,name\nI,1,a\nX,2,b\nD,,b\nU,3,c\nI,broken,d\n'], {
    ...DMS,
    on_bad_row: 'skip',
  });
  assert.deepEqual(skipped, [[5, 2, 0, 0, 3, 0]]);
  const rejected = await db.query<{ line: number }>(
    "select line, raw from s3_connector.rejected_rows where connector_name = 'skipped' order by line",
  );
  assert.deepEqual(rejected, [
    { line: 3, raw: 'X,2,b' },
    { line: 4, raw: 'D,,b' },
    { line: 6, raw: 'I,broken,d' },
  ]);
});

test('a change that only the table refuses names its line; if it is skipped, the change before it stays', async () => {
  const table = (name: string) =>
    db.query(
      `create table ${name} (id integer primary key, n integer not null check (n < 10)); insert into ${name} values (9, 1)`,
    );
  const body = 'Op,id,n\nI,1,1\nI,2,2\nU,2,30\nD,9,\nU,3,\n';
  await table('checked');
  const [failed] = await apply('checked', [body]);
  assert.deepEqual(failed!.slice(0, 2), ['failure', 'check_violated']);
  assert.match(String(failed![2]), /line 4: .*checked_n_check/);
  await table('checked_skip');
  const [counts] = await apply('checked_skip', [body], { ...DMS, on_bad_row: 'skip' });
  assert.equal(counts![4], 2);
  assert.deepEqual(await rowsOf('checked_skip'), [
    { id: 1, n: 1 },
    { id: 2, n: 2 },
  ]);
});

test('a row gives a value of another unique column to a row of the same file', async () => {
  await db.query(
    "create table swapped (id integer primary key, mail text unique); insert into swapped values (1, 'a'), (2, 'b'), (3, 'c')",
  );
  const counts = await apply('swapped', ['Op,id,mail\nD,1,a\nI,9,a\nU,2,x\nU,3,b\n']);
  assert.deepEqual(counts, [[4, 1, 2, 1, 0, 0]]);
  assert.deepEqual(await rowsOf('swapped'), [
    { id: 2, mail: 'x' },
    { id: 3, mail: 'b' },
    { id: 9, mail: 'a' },
  ]);
  world.put('swapped/5', 'Op,id,mail\nI,10,new\nI,11,b\n');
  const files = await world.pollAndSettle('swapped');
  assert.deepEqual([files[1]!.status, files[1]!.error_code], ['failure', 'unique_violated']);
  assert.match(files[1]!.error_message!, /line 3: .*swapped_mail_key/);
});

test('keys are compared as the unique index compares them', async () => {
  await db.query(`create collation anycase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    create table words (word text collate anycase, n numeric, v integer, unique (word, n));
    insert into words values ('Key', 1.0, 0)`);
  assert.deepEqual(await apply('words', ['Op,word,n,v\nU,KEY,1.00,1\nU,key,1,2\nI,key,2,3\n']), [
    [3, 1, 1, 0, 0, 1],
  ]);
  assert.deepEqual(await db.query('select v from words order by v'), [{ v: 2 }, { v: 3 }]);
});

test('rows that triggers suppress are skipped, and the other counts stay right', async () => {
  await db.query(`create table guarded (id integer primary key, n integer, stamped boolean);
    insert into guarded values (2, 0), (3, 0), (5, 0), (6, 0);
    create function guard() returns trigger language plpgsql as $$ begin
      if tg_op = 'DELETE' then return case when old.id = 3 then null else old end; end if;
      new.stamped := true;
      return case when new.n < 0 then null else new end;
    end $$;
    create trigger guard before insert or update or delete on guarded for each row execute function guard()`);
  assert.deepEqual(await apply('guarded', ['Op,id,n\nI,1,1\nU,2,-1\nD,3,\nI,4,-1\nD,5,\nU,6,6\n']), [
    [6, 1, 1, 1, 0, 3],
  ]);
  assert.deepEqual(await rowsOf('guarded'), [
    { id: 1, n: 1, stamped: true },
    { id: 2, n: 0, stamped: null },
    { id: 3, n: 0, stamped: null },
    { id: 6, n: 6, stamped: true },
  ]);
});

test('the entries of a zip are one file: the sequence counts across them', async () => {
  await db.query('create table zipped (id integer primary key, name text)');
  const body = Buffer.from(
    zipSync({
      'a.csv': Buffer.from('Op,id,name,seq\nU,1,last,7\nD,2,,9\n'),
      'b.csv': Buffer.from('Op,id,name,seq\nU,1,first,3\nI,2,first,8\nI,3,only,1\n'),
    }),
  );
  const counts = await apply('zipped', [body], { ...DMS, sequence_column: 'seq' });
  assert.deepEqual(counts, [[5, 2, 0, 0, 0, 3]]);
  assert.deepEqual(await rowsOf('zipped'), [
    { id: 1, name: 'last' },
    { id: 3, name: 'only' },
  ]);
});

test('policies for the owner decide about changes, too', async () => {
  // Unlike the tests' person, this owner obeys them.
  const owner = await db.createRole();
  await db.asSuperuser(
    `grant s3_connector_admin to ${owner.name}; grant create on schema public to ${owner.name}`,
  );
  const session = await db.connect(owner);
  await session.query(`create table secured (id integer primary key, n integer);
    alter table secured enable row level security, force row level security; create policy own on secured using (n < 10);
    grant select on secured to ${db.person.name}`);
  world.put('secured/0', 'Op,id,n\nI,1,1\n');
  world.put('secured/1', 'Op,id,n\nI,2,1\nU,1,50\n');
  await session.query(
    `insert into s3_connector.connectors (name, bucket, endpoint, pattern, file_format, target_table, change_column, change_values)
      values ('secured', $1, $2, 'secured/*', 'csv', 'secured', 'Op', 'dms')`,
    [world.bucket, world.server.endpoint],
  );
  const [good, refused] = await world.settled('secured');
  assert.equal(good!.status, 'success');
  assert.deepEqual([refused!.status, refused!.error_code], ['failure', 'policy_violated']);
  assert.match(refused!.error_message!, /line 3: /);
});

test('partitioned tables and identities take changes', async () => {
  await db.query(`create table parts (id integer, day date, n integer, primary key (id, day)) partition by range (day);
    create table parts_1 partition of parts for values from ('2026-01-01') to ('2026-02-01')`);
  assert.deepEqual(
    await apply('parts', [
      'Op,id,day,n\nI,1,2026-01-02,1\nI,2,2026-01-02,1\n',
      'Op,id,day,n\nU,1,2026-01-02,5\nD,2,2026-01-02,\n',
    ]),
    [
      [2, 2, 0, 0, 0, 0],
      [2, 0, 1, 1, 0, 0],
    ],
  );
  await db.query('create table identities (id integer generated always as identity primary key, n integer)');
  assert.deepEqual(await apply('identities', ['Op,id,n\nI,7,1\n', 'Op,id,n\nU,7,2\n']), [
    [1, 1, 0, 0, 0, 0],
    [1, 0, 1, 0, 0, 0],
  ]);
});

test('an empty file and one with a header only change nothing', async () => {
  await db.query('create table empty (id integer primary key)');
  assert.deepEqual(await apply('empty', ['', 'Op,id\n']), [
    [0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0],
  ]);
});

test('dry_run_file and preview say what a file would change; nothing changes', async () => {
  await db.query(
    "create table dry (id integer primary key, name text); insert into dry values (2, 'old'), (3, 'old')",
  );
  world.put('dry/0', 'Op,id,name\nI,1,new\nU,2,new\nD,3,\nD,4,\n');
  await world.insertConnector({
    name: 'dry',
    pattern: 'dry/*',
    target_table: 'dry',
    state: 'paused',
    ...DMS,
  });
  const [run] = await db.query("call s3_connector.dry_run_file('dry', 'dry/0')");
  const { rows_read, rows_inserted, rows_updated, rows_deleted, rows_skipped, error_message } = run!;
  assert.deepEqual(
    [rows_read, rows_inserted, rows_updated, rows_deleted, rows_skipped, error_message],
    [4, 1, 1, 1, 1, null],
  );
  assert.equal((await rowsOf('dry')).length, 2);
  await db.query("call s3_connector.preview('dry')");
  assert.deepEqual(
    await db.query(
      "select source_column, target_column from s3_connector.preview_columns where connector_name = 'dry' order by position",
    ),
    [
      { source_column: 'Op', target_column: null },
      { source_column: 'id', target_column: 'id' },
      { source_column: 'name', target_column: 'name' },
    ],
  );
  await db.query("call s3_connector.check('dry')");
  assert.deepEqual(
    await db.query(
      "select step, message, hint from s3_connector.checks where connector_name = 'dry' and not ok",
    ),
    [],
  );
});

test('a file that changed rows can be neither undone nor imported again', async () => {
  await db.query('create table undone (id integer primary key, file bigint)');
  await apply('undone', ['Op,id\nI,1\n'], { ...DMS, file_id_column: 'file' });
  for (const call of ['undo_file', 'reimport_file'])
    await assert.rejects(
      db.query(`select s3_connector.${call}('undone', 'undone/0')`),
      (error: { message: string; hint: string; code: string }) => {
        assert.equal(error.code, '55000');
        assert.match(
          error.message,
          /'undone\/0' changed rows \(1 inserted, 0 updated, 0 deleted\), and what they were before is not known/,
        );
        assert.match(error.hint, /put a later file/);
        return true;
      },
    );
  assert.equal((await rowsOf('undone')).length, 1);
});
