import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { strToU8, zipSync } from 'fflate';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

test('a CSV is imported into an existing table, columns matched by name', async () => {
  await db.query(
    'create table by_name (id integer primary key, label text, added timestamptz default now(), price numeric(8,2))',
  );
  world.put('by-name/1.csv', 'price,label,id\n1.50,"a ""quoted"" one, with comma",1\n,,2\n');
  await world.insertConnector({ name: 'by-name', pattern: 'by-name/*.csv', target_table: 'by_name' });
  const [file] = await world.settled('by-name');
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  assert.equal(file!.rows_imported, 2);
  assert.deepEqual(
    await db.query('select id, label, price, added is not null as stamped from by_name order by id'),
    [
      { id: 1, label: 'a "quoted" one, with comma', price: '1.50', stamped: true },
      { id: 2, label: null, price: null, stamped: true },
    ],
  );
});

test('the columns of a CSV without a header are matched by position', async () => {
  await db.query(
    'create table by_position (a integer, b text, c integer generated always as (a * 2) stored)',
  );
  world.put('by-position/1.csv', '1;one\n2;two\n');
  await world.insertConnector({
    name: 'by-position',
    pattern: 'by-position/',
    target_table: 'public.by_position',
    csv_skip_header: false,
    csv_delimiter: ';',
  });
  const [file] = await world.settled('by-position');
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  assert.deepEqual(await db.query('select a, b, c from by_position order by a'), [
    { a: 1, b: 'one', c: 2 },
    { a: 2, b: 'two', c: 4 },
  ]);
});

test('a gzip of several members and a zip of several entries, each with its header, are detected by content', async () => {
  const body = (from: number) => `n\n${from}\n${from + 1}\n`;
  world.put('packed/1.csv', gzipSync(body(1)));
  world.put('packed/2.csv', Buffer.concat([gzipSync('n\n3\n'), gzipSync('4\n')]));
  world.put(
    'packed/3.csv',
    Buffer.from(
      zipSync({
        'a.csv': strToU8(body(5)),
        'folder/b.csv': strToU8(body(7)),
        '__MACOSX/._a.csv': strToU8('junk'),
      }),
    ),
  );
  await world.insertConnector({ name: 'packed', pattern: 'packed/*', target_table: 'packed' });
  const files = await world.settled('packed');
  assert.deepEqual(
    files.map((file) => [file.status, file.rows_imported, file.error_message]),
    [
      ['success', 2, null],
      ['success', 2, null],
      ['success', 4, null],
    ],
  );
  assert.deepEqual(
    (await db.query<{ n: number }>('select n from packed order by n')).map((row) => row.n),
    [1, 2, 3, 4, 5, 6, 7, 8],
  );
});

test('a table is created from the first file, with types that hold all of it', async () => {
  world.put(
    'made/1.csv',
    'zip code,city,lat,opened,active,n\n00501,Holtsville,40.8,2001-02-03,true,1\n10001,New York,41,2002-02-03,false,9000000000\n',
  );
  world.put('made/2.csv', 'city,zip code\nAlbany,12207\n');
  await world.insertConnector({
    name: 'made',
    pattern: 'made/*.csv',
    target_table: 'made',
    max_parallel_files: 1,
  });
  const files = await world.settled('made');
  assert.deepEqual(
    files.map((file) => file.error_message),
    [null, null],
  );
  assert.deepEqual(
    await db.query(
      "select attname::text as name, format_type(atttypid, atttypmod) as type from pg_attribute where attrelid = 'made'::regclass and attnum > 0 order by attnum",
    ),
    [
      { name: 'zip code', type: 'text' },
      { name: 'city', type: 'text' },
      { name: 'lat', type: 'double precision' },
      { name: 'opened', type: 'date' },
      { name: 'active', type: 'boolean' },
      { name: 'n', type: 'bigint' },
    ],
  );
  assert.equal((await db.one<{ count: number }>('select count(*) from made')).count, 3);
});

test('the first file in key order creates the table, however many start at once', async () => {
  // A large first file: without the order, the others would be first to finish.
  world.put('first/00.csv', `n,a\n${Array.from({ length: 100_000 }, (_, n) => `${n},x`).join('\n')}\n`);
  for (let i = 1; i < 20; i++) world.put(`first/${String(i).padStart(2, '0')}.csv`, 'a,n\ny,1\n');
  await world.insertConnector({ name: 'first', pattern: 'first/*', target_table: 'first_made' });
  const files = await world.settled('first');
  assert.deepEqual(
    files.map((file) => file.status),
    Array.from({ length: 20 }, () => 'success'),
  );
  const columns = await db.query(
    "select attname as name from pg_attribute where attrelid = 'first_made'::regclass and attnum > 0 order by attnum",
  );
  assert.deepEqual(columns, [{ name: 'n' }, { name: 'a' }]);
});

test('columns can be left out and renamed, and the file id added', async () => {
  await db.query('create table mapped (id integer, note text, file bigint)');
  world.put('mapped/1.csv', 'Id,secret,remark,more\n1,"hush, hush","keep ""this""",x\n2,,,\n');
  await db.query('begin; commit');
  await world.insertConnector({
    name: 'mapped',
    pattern: 'mapped/*.csv',
    target_table: 'mapped',
    file_id_column: 'file',
    on_unknown_column: 'ignore',
    state: 'paused',
  });
  await db.query(
    "insert into s3_connector.column_mappings (connector_name, source_column, target_column) values ('mapped', 'secret', null), ('mapped', 'remark', 'note')",
  );
  await db.query("select s3_connector.resume('mapped')");
  const [file] = await world.settled('mapped');
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  assert.deepEqual(
    await db.query(
      'select m.id, m.note, f.key from mapped m join s3_connector.files f on f.id = m.file order by m.id',
    ),
    [
      { id: 1, note: 'keep "this"', key: 'mapped/1.csv' },
      { id: 2, note: null, key: 'mapped/1.csv' },
    ],
  );
});

test('empty objects and header-only files succeed with 0 rows, and create no table', async () => {
  world.put('empty/', '');
  world.put('empty/1.csv', '');
  world.put('empty/2.csv', 'a,b\n');
  await world.insertConnector({ name: 'empty', pattern: 'empty/*', target_table: 'made_of_nothing' });
  const files = await world.settled('empty');
  assert.deepEqual(
    files.map((file) => [file.key, file.status, file.rows_imported]),
    [
      ['empty/1.csv', 'success', 0],
      ['empty/2.csv', 'success', 0],
    ],
  );
  assert.equal(
    (await db.one<{ there: boolean }>("select to_regclass('made_of_nothing') is not null as there")).there,
    false,
  );
});

/** Files that fail, with the words of each message; a good file among them is imported. */
const broken: Record<string, { body: string | Buffer; code: string; says: RegExp[] }> = {
  'bad/type.csv': {
    body: 'id,label\n1,x\n2,y\nthree,z\n',
    code: 'bad_value',
    says: [/bad\/type\.csv/, /line 4/, /column id/, /integer/, /three/],
  },
  'bad/unclosed.csv': {
    body: 'id,label\n1,"x\n2,y\n',
    code: 'unterminated_quote',
    says: [/bad\/unclosed\.csv/, /line 2/, /quote/i],
  },
  'bad/ragged.csv': { body: 'id,label\n1,x\n2\n', code: 'bad_row', says: [/line 3/, /label/] },
  'bad/cut.csv.gz': {
    body: gzipSync(`id,label\n${'1,x\n'.repeat(5000)}`).subarray(0, 60),
    code: 'truncated_gzip',
    says: [/gzip|gz/i],
  },
  'bad/unknown.csv': {
    body: 'id,colour\n1,red\n',
    code: 'unknown_column',
    says: [/"colour"/, /"id", "label"/],
  },
  'bad/latin1.csv': {
    body: Buffer.from('id,label\n1,caf\xe9\n', 'latin1'),
    code: 'invalid_encoding',
    says: [/line 2/, /UTF8/],
  },
};

test('a broken file fails with what to do, keeps no row, and delays no other file', async () => {
  await db.query('create table strict (id integer, label text)');
  for (const [key, { body }] of Object.entries(broken)) world.put(key, body);
  world.put('bad/zz-good.csv', 'id,label\n7,seven\n');
  await world.insertConnector({ name: 'bad', pattern: 'bad/*', target_table: 'strict' });
  const files = await world.settled('bad');
  const good = files.pop()!;
  assert.deepEqual([good.status, good.rows_imported], ['success', 1]);
  assert.equal(files.length, Object.keys(broken).length);
  for (const file of files) {
    const expected = broken[file.key]!;
    assert.equal(file.status, 'failure', `${file.key}: ${file.error_message}`);
    assert.equal(file.error_code, expected.code, `${file.key}: ${file.error_message}`);
    assert.equal(file.attempts, 1, `${file.key} is not retried`);
    for (const pattern of expected.says) assert.match(file.error_message ?? '', pattern, file.key);
  }
  assert.deepEqual(await db.query('select * from strict'), [{ id: 7, label: 'seven' }]);
  await world.spoolEmptied();
});

test('a failed file is imported after it is fixed and retried', async () => {
  await db.query('create table fixed (id integer)');
  world.put('fix/1.csv', 'id\nx\n');
  await world.insertConnector({ name: 'fix', pattern: 'fix/*', target_table: 'fixed' });
  assert.equal((await world.settled('fix'))[0]!.status, 'failure');
  world.put('fix/1.csv', 'id\n1\n');
  assert.equal((await db.one<{ retry: number }>("select s3_connector.retry('fix')")).retry, 1);
  assert.equal((await world.settled('fix'))[0]!.status, 'success');
  assert.deepEqual(await db.query('select * from fixed'), [{ id: 1 }]);
  assert.deepEqual(
    await db.query(
      "select from_status, to_status from s3_connector.file_history where connector_name = 'fix' order by at",
    ),
    [
      { from_status: null, to_status: 'in_queue' },
      { from_status: 'in_queue', to_status: 'running' },
      { from_status: 'running', to_status: 'failure' },
      { from_status: 'failure', to_status: 'in_queue' },
      { from_status: 'in_queue', to_status: 'running' },
      { from_status: 'running', to_status: 'success' },
    ],
  );
});

test('a refused value in the last row leaves no row of the file', async () => {
  await db.query('create table whole (id integer)');
  world.put('whole/1.csv', `id\n${Array.from({ length: 20_000 }, (_, i) => i).join('\n')}\nlast\n`);
  await world.insertConnector({ name: 'whole', pattern: 'whole/*', target_table: 'whole' });
  const [file] = await world.settled('whole');
  assert.equal(file!.status, 'failure');
  assert.match(file!.error_message!, /line 20002/);
  assert.deepEqual(await db.query('select count(*) from whole'), [{ count: 0 }]);
});
