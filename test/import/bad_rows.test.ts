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

/** A table that counts the COPYs into it, also those that were rolled back. */
async function countedTable(table: string, columns: string): Promise<() => Promise<number>> {
  await db.query(`create table ${table} (${columns}); create sequence ${table}_copies;
    create function count_${table}() returns trigger language plpgsql security definer as
      $$ begin perform nextval('${table}_copies'); return null; end $$;
    create trigger counted before insert on ${table} for each statement execute function count_${table}()`);
  return async () =>
    (await db.one<{ last_value: number }>(`select last_value from ${table}_copies`)).last_value;
}

test('good rows are kept; each bad one is in rejected_rows with line, column, reason and raw line', async () => {
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

test('a raw line that is cut within a surrogate pair is kept', async () => {
  await db.query('create table cut (id integer, label text)');
  const start = `bad,${'x'.repeat(65_531)}`;
  world.put('cut/1.csv', `id,label\n${start}\u{1f600} end\n1,good\n`);
  await world.insertConnector({ name: 'cut', pattern: 'cut/*', target_table: 'cut', on_bad_row: 'skip' });
  const [file] = await world.settled('cut');
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  assert.deepEqual(
    (await rejected('cut')).map(({ line, raw }) => ({ line, raw })),
    [{ line: 2, raw: `${start}\ufffd` }],
  );
});

test('exactly the bad row is left out, also after rows of several lines', async () => {
  await db.query('create table lines (id integer, label text)');
  const files: Record<string, { body: string; line: number }> = {
    'lines/1.csv': { body: '1,"a\n\nb"\n2,good\nbad,x\n4,"c\nd"\n', line: 6 },
    // As a spreadsheet writes them: newlines within quotes, which COPY does not count as lines.
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

test('left-out columns and the file id do not change which rows are bad', async () => {
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

test('exactly the rows that PostgreSQL refuses are left out, over many rows, batches and archive entries', async () => {
  await db.query('create table many (n integer)');
  // Twelve MB: three batches. Bad rows are single, in runs, at the start and at the end.
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

test('Parquet rows that do not fit are reported with their number', async () => {
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

test('a file with more bad rows than max_bad_rows fails, and none of its rows are kept', async () => {
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

test('a file of ragged rows takes a few COPYs, and each row is refused as COPY would refuse it', async () => {
  const many = Array.from({ length: 3000 }, (_, n) => n);
  const files: Record<string, { rows: string[]; reasons: Record<string, number>; imported: number }> = {
    'rows with too many fields': {
      rows: many.map((n) => `${n},x,1,more`),
      reasons: { 'extra data after last expected column': 3000 },
      imported: 0,
    },
    'rows with too few': {
      rows: many.map((n) => `${n}${',x'.repeat(n % 2)}`),
      reasons: { 'missing data for column "b"': 1500, 'missing data for column "c"': 1500 },
      imported: 0,
    },
    'ragged rows among good ones': {
      rows: many.map((n) => `${n},x${',1'.repeat(n % 3)}`),
      reasons: { 'missing data for column "c"': 1000, 'extra data after last expected column': 1000 },
      imported: 1000,
    },
  };
  for (const [i, [what, { rows, reasons, imported }]] of Object.entries(files).entries()) {
    const table = `ragged_${i}`;
    const copies = await countedTable(table, 'a integer, b text, c integer');
    world.put(`${table}/1.csv`, `a,b,c\n${rows.join('\n')}\n`);
    await world.insertConnector({
      name: table,
      pattern: `${table}/*`,
      target_table: table,
      on_bad_row: 'skip',
    });
    await world.settled(table);
    assert.deepEqual(
      await counts(table),
      [{ status: 'success', rows_imported: imported, rows_rejected: 3000 - imported }],
      what,
    );
    const refused = await rejected(table);
    assert.deepEqual(
      refused.map(({ line, raw }) => [line, raw]),
      rows.flatMap((row, n) => (row.split(',').length === 3 ? [] : [[n + 2, row]])),
    );
    const found = Object.fromEntries(Object.keys(reasons).map((reason) => [reason, 0]));
    for (const { error } of refused) found[error] = (found[error] ?? 0) + 1;
    assert.deepEqual(found, reasons);
    assert.ok((await copies()) < 10, `${what}: ${await copies()} COPYs`);
  }
});

test('any other bad row costs one failed COPY', async () => {
  await db.query('create table owners (id integer primary key); insert into owners values (1)');
  const kinds: Record<string, string> = { value: 'x,1', check: '-1,1', 'foreign key': '1,2' };
  for (const [i, [what, bad]] of Object.entries(kinds).entries()) {
    for (const [spread, isBad] of Object.entries({
      'all rows': () => true,
      'every second row': (n: number) => n % 2 === 1,
    })) {
      const table = `dear_${i}_${spread.slice(0, 1)}`;
      const copies = await countedTable(table, 'a integer check (a > 0), owner integer references owners');
      const rows = Array.from({ length: 400 }, (_, n) => (isBad(n) ? bad : '1,1'));
      world.put(`${table}/1.csv`, `a,owner\n${rows.join('\n')}\n`);
      await world.insertConnector({
        name: table,
        pattern: `${table}/*`,
        target_table: table,
        on_bad_row: 'skip',
      });
      await world.settled(table);
      const refused = rows.filter((row) => row === bad).length;
      assert.deepEqual(await counts(table), [
        { status: 'success', rows_imported: 400 - refused, rows_rejected: refused },
      ]);
      // The error of a foreign key names no row: good rows before it are copied to find it.
      const most = refused * (what === 'foreign key' && refused < 400 ? 3 : 1.25) + 20;
      assert.ok((await copies()) < most, `${what}, ${spread}: ${await copies()} COPYs`);
    }
  }
});

test('Parquet rows that do not fit are separated from the rows between them', async () => {
  await db.query('create table thirds (id integer)');
  world.put(
    'thirds/1.parquet',
    await parquetOf('select case when i % 3 = 1 then 3000000000 + i else i end as id from range(500) r(i)'),
  );
  await world.insertConnector({
    name: 'thirds',
    pattern: 'thirds/*',
    file_format: 'parquet',
    target_table: 'thirds',
    on_bad_row: 'skip',
  });
  await world.settled('thirds');
  const refused = await rejected('thirds');
  assert.deepEqual(
    refused.map(({ line, raw }) => [line, raw]),
    Array.from({ length: 167 }, (_, n) => [3 * n + 2, String(3_000_000_001 + 3 * n)]),
  );
  const { sum } = await db.one<{ sum: number }>('select sum(id) from thirds');
  assert.equal(
    sum,
    Array.from({ length: 500 }, (_, n) => (n % 3 === 1 ? 0 : n)).reduce((a, b) => a + b),
  );
});

test('a file with more than 10,000 bad rows fails by default, and does not without a limit', async () => {
  await db.query('create table default_limit (id integer); create table no_limit (id integer)');
  world.put('default_limit/1.csv', `id\n1\n${'2,\n'.repeat(10_000)}`);
  world.put('default_limit/2.csv', `id\n1\n${'2,\n'.repeat(10_001)}`);
  for (const columns of [{ name: 'default_limit' }, { name: 'no_limit', max_bad_rows: null }])
    await world.insertConnector({
      pattern: 'default_limit/*',
      target_table: columns.name,
      on_bad_row: 'skip',
      ...columns,
    });
  const limited = await world.settled('default_limit');
  assert.deepEqual(
    limited.map((file) => [file.status, file.error_code]),
    [
      ['success', null],
      ['failure', 'too_many_bad_rows'],
    ],
  );
  assert.match(
    limited[1]!.error_message!,
    /max_bad_rows \(10000\).*line 10003: extra data.*raise max_bad_rows/,
  );
  assert.equal((await rejected('default_limit')).length, 10_000);
  const unlimited = await world.settled('no_limit');
  assert.deepEqual(
    unlimited.map((file) => file.status),
    ['success', 'success'],
  );
  assert.equal((await rejected('no_limit')).length, 20_001);
});

test('max_bad_rows counts the bad rows of all entries of an archive', async () => {
  await db.query('create table entries (id integer)');
  const csv = strToU8('id\n1\nx\ny\n');
  world.put('entries/1.zip', Buffer.from(zipSync({ 'a.csv': csv, 'b.csv': csv })));
  await world.insertConnector({
    name: 'entries',
    pattern: 'entries/*',
    target_table: 'entries',
    on_bad_row: 'skip',
    max_bad_rows: 3,
  });
  const [file] = await world.settled('entries');
  assert.deepEqual([file!.status, file!.error_code], ['failure', 'too_many_bad_rows']);
});

test('a quote that is never closed fails the file, because the end of its rows cannot be known', async () => {
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

test('a row with a NUL character is left out, also of the file that makes the table', async () => {
  world.put('nul_made/1.csv', 'id,v\n1,ok\nx\0,a\0b\n3,ok\n');
  await world.insertConnector({
    name: 'nul_made',
    pattern: 'nul_made/*',
    target_table: 'nul_made',
    on_bad_row: 'skip',
  });
  const [file] = await world.settled('nul_made');
  assert.deepEqual([file!.status, file!.rows_imported, file!.rows_rejected], ['success', 2, 1]);
  // The type is that of the other rows.
  assert.deepEqual(
    await db.query('select sum(id)::text as sum, pg_typeof(min(id))::text as type from nul_made'),
    [{ sum: '4', type: 'bigint' }],
  );
});

// COPY does not get the field with line ends, and so counts fewer lines than the file has.
test('a bad row is named by its line, and good rows are kept, behind line ends in fields that are left out', async () => {
  await db.query('create table fewer_lines (id integer)');
  // In the second file most rows are encoded, and PostgreSQL parses some: a blank before a number is for it to judge.
  const row = (id: string) => `${id},"two\nlines"\n`;
  const many = Array.from({ length: 30_000 }, (_, i) => row(i % 9000 === 8999 ? ` ${i}` : `${i}`)).join('');
  const bodies = [`id,more\n${row('1').repeat(3)}${row('bad')}${row('2')}`, `id,more\n${many}${row('bad')}`];
  for (const [i, lines, kept] of [
    [0, '8', 4],
    [1, '60002', 30_000],
  ] as const) {
    for (const on_bad_row of ['fail', 'skip']) {
      const name = `fewer_lines_${i}_${on_bad_row}`;
      const file = await world.importFile(name, bodies[i]!, {
        target_table: 'fewer_lines',
        on_unknown_column: 'ignore',
        on_bad_row,
      });
      if (on_bad_row === 'fail') {
        assert.match(file.error_message!, new RegExp(`line ${Number(lines) + 1}, column id`));
      } else {
        assert.deepEqual([file.rows_imported, file.rows_rejected], [kept, 1]);
        assert.deepEqual(
          (await rejected(name)).map(({ line }) => String(line)),
          [lines],
        );
      }
    }
  }
});
