import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { strToU8, zipSync } from 'fflate';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

const rejected = (connector: string) =>
  db.query<{ line: number; column_name: string | null; error: string; raw: string }>(
    'select line, column_name, error, raw from s3_connector.rejected_rows where connector_name = $1 order by key, line',
    [connector],
  );
const counts = (connector: string) =>
  db.query<{ status: string; rows_imported: number; rows_rejected: number }>(
    'select status, rows_imported, rows_rejected from s3_connector.files where connector_name = $1 order by key',
    [connector],
  );

test('good rows land; each bad one stands in rejected_rows with line, column, reason and raw line', async () => {
  await db.query('create table parents (id integer primary key); insert into parents values (1)');
  await db.query(
    'create table picky (id integer not null, label varchar(5), n integer check (n < 100), parent integer references parents)',
  );
  const lines = [
    'id,label,n,parent',
    '1,ok,1,1',
    'two,ok,1,1',
    '3,"a label',
    'of two lines",1,1',
    ',no id,1,1',
    '5,ok,500,1',
    '6,ok,1,1,more',
    '7,ok,1',
    '8,ok,1,99',
    '9,n\0ul,1,1',
    '10,ok,1,1',
    '11,ok,1,1',
  ];
  world.put('picky/1.csv', `${lines.join('\n')}\n`);
  await world.insertConnector({
    name: 'picky',
    pattern: 'picky/*',
    target_table: 'picky',
    on_bad_row: 'skip',
  });
  const [file] = await world.settled('picky');
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  assert.deepEqual(await db.query('select id from picky order by id'), [{ id: 1 }, { id: 10 }, { id: 11 }]);
  assert.deepEqual(await counts('picky'), [{ status: 'success', rows_imported: 3, rows_rejected: 8 }]);
  const rows = await rejected('picky');
  assert.deepEqual(
    rows.map(({ line, column_name, raw }) => [line, column_name, raw]),
    [
      [3, 'id', 'two,ok,1,1'],
      [4, 'label', '3,"a label\nof two lines",1,1'],
      [6, null, ',no id,1,1'],
      [7, null, '5,ok,500,1'],
      [8, null, '6,ok,1,1,more'],
      [9, null, '7,ok,1'],
      [10, null, '8,ok,1,99'],
      [11, null, '9,n\ufffdul,1,1'],
    ],
  );
  const reasons = [
    /integer.*two/,
    /too long/,
    /not-null/,
    /check/,
    /extra data/,
    /missing data/,
    /foreign key/,
    /NUL/,
  ];
  for (const [i, reason] of reasons.entries()) assert.match(rows[i]!.error, reason);
});

test('the bad row is the one that is left out, whatever lines the rows before it have', async () => {
  await db.query('create table lines (id integer, label text)');
  const files: Record<string, { body: string; line: number }> = {
    'lines/1.csv': { body: '1,"a\n\nb"\n2,good\nbad,x\n4,"c\nd"\n', line: 6 },
    // As a spreadsheet writes them: line feeds within quotes, which are no lines to COPY.
    'lines/2.csv': { body: '1,"a\n\nb"\r\n2,"good\n"\r\nbad,x\r\n4,"c\nd"\r\n', line: 4 },
    'lines/3.csv': { body: '1,"a\r\nb"\r\n2,"good\n"\r\nbad,x\r\n4,"c\nd"\r\n', line: 5 },
    'lines/4.csv': { body: '1,"a\rb\n"\r2,"good\n"\rbad,x\r4,"c\nd"\r', line: 5 },
  };
  for (const [key, { body }] of Object.entries(files))
    world.put(key, `id,label${/\r?\n$|\r$/.exec(body)}${body}`);
  await db.query('create table lines_and_file (id integer, label text, file bigint)');
  for (const [table, file_id_column] of [
    ['lines', null],
    ['lines_and_file', 'file'],
  ]) {
    await world.insertConnector({
      name: table!,
      pattern: 'lines/*',
      target_table: table!,
      on_bad_row: 'skip',
      file_id_column,
    });
    for (const file of await world.settled(table!))
      assert.equal(file.status, 'success', file.error_message ?? '');
    assert.deepEqual(
      await db.query(`select id, count(*) from ${table} group by id order by id`),
      [1, 2, 4].map((id) => ({ id, count: 4 })),
    );
    assert.deepEqual(
      (await rejected(table!)).map(({ line, raw }) => ({ line, raw })),
      Object.values(files).map(({ line }) => ({ line, raw: 'bad,x' })),
    );
  }
});

test('columns that are left out, and the file id, do not change what is bad', async () => {
  await db.query('create table narrow (id integer, file bigint)');
  world.put('narrow/1.csv', 'secret,id\nx,1\ny,two\nz\nx,4\n');
  await world.insertConnector({
    name: 'narrow',
    pattern: 'narrow/*',
    target_table: 'narrow',
    on_bad_row: 'skip',
    on_unknown_column: 'ignore',
    file_id_column: 'file',
  });
  await world.settled('narrow');
  assert.deepEqual(await counts('narrow'), [{ status: 'success', rows_imported: 2, rows_rejected: 2 }]);
  assert.deepEqual(
    (await rejected('narrow')).map(({ line, raw }) => [line, raw]),
    [
      [3, 'y,two'],
      [4, 'z'],
    ],
  );
});

test('what is left out is exactly what PostgreSQL refuses, over many rows, batches and archive entries', async () => {
  await db.query('create table many (n integer)');
  // Twelve MB: three batches. Bad ones stand alone, in runs, at the start and at the end.
  const isBad = (n: number) => n === 0 || n === 599_999 || n % 1000 === 7 || (n > 300_000 && n < 300_400);
  const rows = Array.from({ length: 600_000 }, (_, n) => (isBad(n) ? `bad ${n}` : `${n}`.padStart(19, '0')));
  const csv = `n\n${rows.join('\n')}\n`;
  world.put('many/1.csv.gz', gzipSync(csv));
  world.put(
    'many/2.zip',
    Buffer.from(zipSync({ 'a.csv': strToU8('n\n1\nx\n'), 'b.csv': strToU8('n\ny\n2\n') })),
  );
  await world.insertConnector({ name: 'many', pattern: 'many/*', target_table: 'many', on_bad_row: 'skip' });
  await world.settled('many');
  const expected = rows.filter((row) => row.startsWith('bad'));
  assert.deepEqual(await counts('many'), [
    { status: 'success', rows_imported: 600_000 - expected.length, rows_rejected: expected.length },
    { status: 'success', rows_imported: 2, rows_rejected: 2 },
  ]);
  const raws = await db.query<{ line: number; raw: string }>(
    "select line, raw from s3_connector.rejected_rows where connector_name = 'many' and key like '%gz' order by line",
  );
  assert.deepEqual(
    raws.map(({ line, raw }) => `${line} ${raw}`),
    expected.map((row) => `${Number(row.slice(4)) + 2} ${row}`),
  );
  assert.equal(
    (await db.one<{ count: number }>('select count(*) from many')).count,
    600_002 - expected.length,
  );
});

test('Parquet rows that do not fit are told by their number', async () => {
  await db.query('create table small (id integer, label text)');
  world.put(
    'small/1.parquet',
    await parquetOf(
      "select case when i = 3 then 3000000000 else i end as id, case when i = 5 then 'n' || chr(0) else 'x' end as label from range(100000) r(i)",
    ),
  );
  await world.insertConnector({
    name: 'small',
    pattern: 'small/*',
    file_format: 'parquet',
    target_table: 'small',
    on_bad_row: 'skip',
  });
  const [file] = await world.settled('small');
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  assert.deepEqual(await counts('small'), [{ status: 'success', rows_imported: 99_998, rows_rejected: 2 }]);
  assert.deepEqual(
    (await rejected('small')).map(({ line, column_name }) => [line, column_name]),
    [
      [4, 'id'],
      [6, 'label'],
    ],
  );
});

test('more bad rows than max_bad_rows fail the file, and nothing of it stays', async () => {
  await db.query('create table limited (id integer)');
  world.put('limited/1.csv', 'id\n1\nx\ny\n');
  world.put('limited/2.csv', 'id\n1\nx\ny\nz\n');
  await world.insertConnector({
    name: 'limited',
    pattern: 'limited/*',
    target_table: 'limited',
    on_bad_row: 'skip',
    max_bad_rows: 2,
  });
  const files = await world.settled('limited');
  assert.deepEqual(
    files.map((file) => [file.status, file.error_code]),
    [
      ['success', null],
      ['failure', 'too_many_bad_rows'],
    ],
  );
  assert.match(files[1]!.error_message!, /max_bad_rows \(2\).*line/);
  assert.deepEqual(await db.query('select * from limited'), [{ id: 1 }]);
  assert.equal((await rejected('limited')).length, 2);
});

test('a quote that is never closed fails the file: where its rows end cannot be known', async () => {
  await db.query('create table quoted (id integer, label text)');
  world.put('quoted/1.csv', 'id,label\n1,"x\n2,y\n3,z\n');
  await world.insertConnector({
    name: 'quoted',
    pattern: 'quoted/*',
    target_table: 'quoted',
    on_bad_row: 'skip',
  });
  const [file] = await world.settled('quoted');
  assert.deepEqual([file!.status, file!.error_code], ['failure', 'unterminated_quote']);
});
