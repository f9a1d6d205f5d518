import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { strToU8, zipSync } from 'fflate';
import { parquetOf } from '../support/parquet.ts';
import { type ConnectorColumns, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
const available = await db.query("select from pg_available_extensions where name = 'timescaledb'");
const icu = await db.query("select from pg_collation where collname = 'und-x-icu'");

/** 20,000 rows over 20 days, with nulls, NaN and zeros of both signs in the sorted columns. */
const READINGS = `select
  timestamptz '2026-01-01 00:00:00Z' + to_seconds(i * 86 + offset_seconds) as at,
  case when i % 11 = 0 then null else 'device ' || (i * 7919) % 13 end as device,
  case i % 7 when 0 then null when 1 then 'nan'::double when 2 then -0.0 when 3 then 0.0 else (i * 31) % 997 / 8 end as value,
  'a longer note about row ' || i as note
  from (select i, {offset} as offset_seconds from range(20000) r(i))`;
const readings = (offset = 0) => parquetOf(READINGS.replace('{offset}', String(offset)));
const SETTINGS = {
  file_format: 'parquet',
  columnstore: true,
  segment_by: ['device'],
  order_by: ['value desc nulls last', 'at'],
};
const ROWS = 20_000;

describe('files that go directly into the columnstore', {
  skip: available.length === 0 && 'this server has no TimescaleDB (TEST_POSTGRES_BIN_DIR names one that has)',
}, () => {
  before(async () => {
    await db.query('create extension if not exists timescaledb');
    // The policies of created tables would at once sort again what files have left unordered.
    await db.asSuperuser('select _timescaledb_functions.stop_background_workers()');
    await world.startWorker();
  });

  test('a Parquet file fills sorted chunks, with the same rows as a plain table', async () => {
    world.put('sorted/1.parquet', await readings());
    await importAs('sorted', SETTINGS);
    assert.deepEqual(await chunks('sorted'), { states: ['{COMPRESSED}'], rowsOutside: false });
    await assertSameAsPlain('sorted');
  });

  test('rows that are sorted keep the number that they have in the file, and its key', async () => {
    world.put('numbered/1.parquet', await readings());
    await importAs('numbered', { ...SETTINGS, file_key_column: 'file', line_column: 'line' });
    assert.deepEqual(await chunks('numbered'), { states: ['{COMPRESSED}'], rowsOutside: false });
    const found =
      "select count(*) as n from numbered where note = 'a longer note about row ' || line - 1 and file = 'numbered/1.parquet'";
    assert.equal((await db.one<{ n: number }>(found)).n, ROWS);
    await assertOrdered('numbered');
  });

  test('TOAST compresses the values by lz4, where the server has it', async () => {
    const superuser = await db.connectSuperuser();
    const names = `select compress_relid::text as part, 'lz4' = any (enumvals) as has_lz4
      from _timescaledb_catalog.compression_settings, pg_settings
      where relid in (select show_chunks('toasted')) and name = 'default_toast_compression'`;
    world.put('toasted/1.parquet', await readings());
    await importAs('toasted', SETTINGS);
    const { rows: parts } = await superuser.query(names);
    const { rows } = await superuser.query(
      `select distinct pg_column_compression(note) as method from ${parts[0].part} where pg_column_compression(note) <> ''`,
    );
    assert.deepEqual(rows, [{ method: parts[0].has_lz4 ? 'lz4' : 'pglz' }]);
  });

  test('rows of a transform, and hive columns, are sorted as well', async () => {
    world.put('made/source=x/1.parquet', await readings());
    await importAs('made', {
      ...SETTINGS,
      pattern: 'made/**',
      hive_columns: ['source'],
      segment_by: ['source', 'device'],
      transform: "select * replace (note || '!' as note) from file",
    });
    assert.deepEqual(await chunks('made'), { states: ['{COMPRESSED}'], rowsOutside: false });
    const found = "select count(*) as n from made where source = 'x' and note ~ '!$'";
    assert.equal((await db.one<{ n: number }>(found)).n, ROWS);
    await assertOrdered('made');
  });

  test('files that share a chunk leave it unordered, with sorted batches', async () => {
    for (const n of [1, 2, 3]) world.put(`meet/${n}.parquet`, await readings(n));
    await importAs('meet', SETTINGS);
    assert.deepEqual(await chunks('meet'), { states: ['{COMPRESSED,UNORDERED}'], rowsOutside: false });
    // Rows that are sent segment by segment create no more batches than that.
    assert.ok((await batches('meet')) <= 3 * 4 * 14, `${await batches('meet')} batches`);
    await assertSameAsPlain('meet');
  });

  test('a file can go into chunks that already have inserted rows', async () => {
    world.put('mixed/1.parquet', await readings());
    await importAs('mixed', SETTINGS);
    await db.query("insert into mixed select at + interval '1 second', device, value, note from mixed");
    world.put('mixed/2.parquet', await readings(2));
    assert.deepEqual(
      (await world.pollAndSettle('mixed')).map(({ status }) => status),
      ['success', 'success'],
    );
    assert.equal((await db.one<{ n: number }>('select count(*) as n from mixed')).n, 3 * ROWS);
    await assertOrdered('mixed');
  });

  test('a chunk that another session creates meanwhile is noticed', async () => {
    world.put('race/1.parquet', await readings(200 * 86_400));
    await importAs('race', SETTINGS);
    const other = await db.connect();
    await other.query("begin; insert into race values ('2026-01-05', 'other', 1, 'other')");
    world.put('race/2.parquet', await readings());
    await db.query("select s3_connector.poll_now('race')");
    await db.waitFor(
      "select from pg_stat_activity where datname = current_database() and application_name like 's3_connector import_file %' and wait_event_type = 'Lock'",
      (rows) => rows.length === 1,
    );
    await other.query('commit');
    const [, file] = await world.settled('race');
    assert.deepEqual([file!.status, file!.rows_imported], ['success', ROWS], file!.error_message ?? '');
    assert.deepEqual((await chunks('race')).states, [
      '{COMPRESSED,UNORDERED,PARTIAL}',
      '{COMPRESSED,UNORDERED}',
      '{COMPRESSED}',
    ]);
    await assertOrdered('race');
  });

  test('rows that another session inserts meanwhile stay visible', async () => {
    world.put('hidden/1.csv', 'at,device,value,note\n2026-06-01T00:00:00Z,x,1,first\n');
    await importAs('hidden', { ...SETTINGS, file_format: 'csv', on_bad_row: 'skip' });
    const other = await db.connect();
    await other.query("begin; insert into hidden values ('2026-01-05', 'other', 1, 'other')");
    world.put('hidden/2.csv', 'at,device,value,note\n2026-01-05T00:00:01Z,x,1,second\n');
    await db.query("select s3_connector.poll_now('hidden')");
    await db.waitFor(
      "select from pg_stat_activity where datname = current_database() and application_name like 's3_connector import_file %' and wait_event_type = 'Lock'",
      (rows) => rows.length === 1,
    );
    await other.query('commit');
    await world.settled('hidden');
    assert.deepEqual(await db.query('select note from hidden order by at'), [
      { note: 'other' },
      { note: 'second' },
      { note: 'first' },
    ]);
  });

  /** Rows in the order of time. */
  function csvOf(note: (row: number) => string, first = 0, last = ROWS): string {
    const rows = Array.from({ length: last - first }, (_, n) => {
      const i = first + n;
      const at = new Date(Date.UTC(2026, 0, 1) + i * 86_000).toISOString();
      return `${at},${i % 11 ? `device ${(i * 7919) % 13}` : ''},${i % 5 ? (i * 31) % 997 : ''},${note(i)}\n`;
    });
    return `at,device,value,note\n${rows.join('')}`;
  }
  /** Such rows make a file that is large enough to be encoded. */
  const long = (row: number) => `note ${row} ${'x'.repeat(80)}`;

  test('the server sorts a small CSV', async () => {
    world.put(
      'csv/1.csv',
      csvOf(() => 'note'),
    );
    await importAs('csv', { ...SETTINGS, file_format: 'csv' });
    assert.deepEqual(await chunks('csv'), { states: ['{COMPRESSED,UNORDERED}'], rowsOutside: false });
    await assertSameAsPlain('csv', { file_format: 'csv' });
  });

  test('a large CSV fills sorted chunks, with the same rows, keys and lines', async () => {
    world.put('large_csv/1.csv', csvOf(long));
    await importAs('large_csv', {
      ...SETTINGS,
      file_format: 'csv',
      file_key_column: 'file',
      line_column: 'line',
    });
    assert.deepEqual(await chunks('large_csv'), { states: ['{COMPRESSED}'], rowsOutside: false });
    const found =
      "select count(*) as n from large_csv where note like 'note ' || line - 2 || ' %' and file = 'large_csv/1.csv'";
    assert.equal((await db.one<{ n: number }>(found)).n, ROWS);
    await assertSameAsPlain('large_csv', { file_format: 'csv' });
    // The file alone fills as few batches as Parquet does.
    assert.ok((await batches('large_csv')) <= 4 * 14, `${await batches('large_csv')} batches`);
  });

  test('the entries of an archive that share chunks leave them unordered', async () => {
    const half = ROWS / 2;
    const entries = { 'a.csv': strToU8(csvOf(long, half)), 'b.csv': strToU8(csvOf(long, 0, half + 1)) };
    world.put('csv_zip/1.zip', Buffer.from(zipSync(entries)));
    await world.insertConnector(connector('csv_zip', { ...SETTINGS, file_format: 'csv' }));
    const [file] = await world.settled('csv_zip');
    assert.deepEqual([file!.status, file!.rows_imported], ['success', ROWS + 1], file!.error_message ?? '');
    assert.ok((await chunks('csv_zip')).states.includes('{COMPRESSED,UNORDERED}'));
    await assertOrdered('csv_zip');
  });

  test('a bad row of a large CSV is reported with its line, and left out where the connector says so', async () => {
    const body = csvOf(long).replace(/,[^,]*,(note 7777 )/, ',no number,$1');
    const table = '(at timestamptz not null, device text, value float8, note text)';
    for (const name of ['strict_csv', 'lenient_csv'])
      await makeHypertable(name, table, "timescaledb.segmentby = 'device', timescaledb.orderby = 'at desc'");
    world.put('strict_csv/1.csv', body);
    await world.insertConnector(connector('strict_csv', { file_format: 'csv', columnstore: true }));
    const [failed] = await world.settled('strict_csv');
    assert.deepEqual([failed!.status, failed!.error_code], ['failure', 'bad_value']);
    assert.match(failed!.error_message!, /line 7779\b/);
    world.put('lenient_csv/1.csv', body);
    await importAs('lenient_csv', { file_format: 'csv', columnstore: true, on_bad_row: 'skip' });
    assert.deepEqual(
      await db.query("select line from s3_connector.rejected_rows where connector_name = 'lenient_csv'"),
      [{ line: 7779 }],
    );
    assert.equal((await db.one<{ n: number }>('select count(*) as n from lenient_csv')).n, ROWS - 1);
  });

  /** Tables into which a file is compressed directly, although the server must sort it. */
  const unsortable: Record<string, { table: string; settings: string }> = {
    'a text whose order is not that of its bytes': {
      table: '(at timestamptz not null, device text, value float8, note text collate "und-x-icu")',
      settings: "timescaledb.segmentby = 'device', timescaledb.orderby = 'note, at'",
    },
    'a modifier that rounds': {
      table: '(at timestamptz(0) not null, device text, value float8, note text)',
      settings: "timescaledb.segmentby = 'device', timescaledb.orderby = 'at'",
    },
    'a column that the file does not fill': {
      table: '(at timestamptz not null, device text, value float8, note text, n float8 default random())',
      settings: "timescaledb.segmentby = 'device', timescaledb.orderby = 'n, at'",
    },
    'no order that is known beforehand': {
      table: '(at timestamptz not null, device text, value float8, note text)',
      settings: "timescaledb.segmentby = 'device'",
    },
  };
  for (const [name, { table, settings }] of Object.entries(unsortable)) {
    const skip = table.includes('x-icu') && icu.length === 0 && 'this server has no collations of ICU';
    test(`the server sorts a Parquet file: ${name}`, { skip }, async () => {
      const target = name.replaceAll(' ', '_');
      await makeHypertable(target, table, settings);
      world.put(`${target}/1.parquet`, await readings());
      await importAs(target, { file_format: 'parquet', columnstore: true });
      assert.deepEqual(await chunks(target), { states: ['{COMPRESSED,UNORDERED}'], rowsOutside: false });
      if (!table.includes('(0)')) await assertSameAsPlain(target);
    });
  }

  test('a text in byte order is sorted before it is sent', async () => {
    await makeHypertable(
      'bytes',
      '(at timestamptz not null, device text, value float8, note text collate "C")',
      "timescaledb.segmentby = 'device', timescaledb.orderby = 'note desc, at'",
    );
    world.put('bytes/1.parquet', await readings());
    await importAs('bytes', { file_format: 'parquet', columnstore: true });
    assert.deepEqual(await chunks('bytes'), { states: ['{COMPRESSED}'], rowsOutside: false });
    await assertSameAsPlain('bytes');
    const notes = (from: string) =>
      db.query(`select note from ${from} where device = 'device 3' order by note desc limit 50`);
    assert.deepEqual(await notes('bytes'), await notes('bytes_plain'));
  });

  test('the server sorts for chunks whose order differs from that of new ones', async () => {
    await makeHypertable(
      'altered',
      '(at timestamptz not null, device text, value float8, note text)',
      "timescaledb.segmentby = 'device', timescaledb.orderby = 'at'",
    );
    world.put('altered/1.parquet', await readings());
    await importAs('altered', { file_format: 'parquet', columnstore: true });
    await db.query("alter table altered set (timescaledb.orderby = 'value desc nulls last, at')");
    world.put('altered/2.parquet', await readings(1));
    await world.pollAndSettle('altered');
    assert.deepEqual(await chunks('altered'), { states: ['{COMPRESSED,UNORDERED}'], rowsOutside: false });
    await assertSameAsPlain('altered');
  });

  /** Features of a table with which TimescaleDB cannot compress directly. */
  const refusing: Record<string, string> = {
    unique: 'create unique index on refusing_unique (at, note)',
    trigger: `create function keep() returns trigger language plpgsql as 'begin return new; end';
      create trigger keep after insert on refusing_trigger for each row execute function keep()`,
    foreign_key: `create table notes (note text primary key); insert into notes select 'a longer note about row ' || i from generate_series(0, 19999) i;
      alter table refusing_foreign_key add foreign key (note) references notes`,
  };
  for (const [name, sql] of Object.entries(refusing)) {
    test(`a table with a ${name} takes the rows uncompressed`, async () => {
      const table = `refusing_${name}`;
      await makeHypertable(
        table,
        '(at timestamptz not null, device text, value float8, note text)',
        "timescaledb.segmentby = 'device', timescaledb.orderby = 'at'",
      );
      await db.query(sql);
      world.put(`${table}/1.parquet`, await readings());
      await importAs(table, { file_format: 'parquet', columnstore: true });
      assert.deepEqual(await chunks(table), { states: ['{}'], rowsOutside: true });
      await assertSameAsPlain(table);
    });
  }

  test('a hypertable whose connector does not ask for direct compression takes the rows uncompressed', async () => {
    await makeHypertable(
      'unasked',
      '(at timestamptz not null, device text, value float8, note text)',
      "timescaledb.segmentby = 'device', timescaledb.orderby = 'at'",
    );
    world.put('unasked/1.parquet', await readings());
    await importAs('unasked', { file_format: 'parquet' });
    assert.deepEqual(await chunks('unasked'), { states: ['{}'], rowsOutside: true });
  });

  test('a bad row is reported with its number in the file, and left out where the connector says so', async () => {
    const bad = `select * replace (case when note like '% 7777' then 'x' || chr(0) else note end as note)
      from (${READINGS.replace('{offset}', '0')})`;
    const body = await parquetOf(bad);
    world.put('strict/1.parquet', body);
    await world.insertConnector(connector('strict', { ...SETTINGS, order_by: ['at desc'] }));
    const [failed] = await world.settled('strict');
    assert.deepEqual([failed!.status, failed!.error_code], ['failure', 'nul_character']);
    assert.match(failed!.error_message!, /row 7778\b/);
    world.put('lenient/1.parquet', body);
    await importAs('lenient', { ...SETTINGS, order_by: ['at desc'], on_bad_row: 'skip' });
    assert.deepEqual(
      await db.query("select line from s3_connector.rejected_rows where connector_name = 'lenient'"),
      [{ line: 7778 }],
    );
    assert.equal((await db.one<{ n: number }>('select count(*) as n from lenient')).n, ROWS - 1);
  });

  test("undo deletes a file's rows, and only those", async () => {
    for (const n of [1, 2]) world.put(`undone/${n}.parquet`, await readings(n));
    await importAs('undone', { ...SETTINGS, file_id_column: 'file_id' });
    const { deleted } = await db.one<{ deleted: number }>(
      "select s3_connector.undo_file('undone', 'undone/1.parquet') as deleted",
    );
    assert.equal(deleted, ROWS);
    assert.deepEqual(
      await db.query('select key from s3_connector.files where id in (select file_id from undone)'),
      [{ key: 'undone/2.parquet' }],
    );
    await db.query("select s3_connector.reimport_file('undone', 'undone/1.parquet')");
    await world.settled('undone');
    await db.query('alter table undone drop column file_id');
    await assertSameAsPlain('undone');
  });

  test('the owner needs no right but insert', async () => {
    const role = await db.createRole();
    await db.query(`grant s3_connector_admin to ${role.name}`);
    await makeHypertable(
      'granted',
      '(at timestamptz not null, device text, value float8, note text)',
      "timescaledb.segmentby = 'device', timescaledb.orderby = 'at'",
    );
    await db.query(`grant insert on granted to ${role.name}`);
    world.put('granted/1.parquet', await readings());
    const owner = await db.connect(role);
    await owner.query(
      `insert into s3_connector.connectors (name, bucket, pattern, endpoint, file_format, target_table, columnstore)
        values ('granted', $1, 'granted/*', $2, 'parquet', 'granted', true)`,
      [world.bucket, world.server.endpoint],
    );
    const [file] = await world.settled('granted');
    assert.deepEqual([file!.status, file!.rows_imported], ['success', ROWS], file!.error_message ?? '');
    assert.deepEqual(await chunks('granted'), { states: ['{COMPRESSED}'], rowsOutside: false });
  });
});

function connector(name: string, columns: object): ConnectorColumns {
  return { name, pattern: `${name}/*`, target_table: name, time_column: 'at', ...columns };
}

/** Imports all files of a new connector, and checks that each row is counted. */
async function importAs(name: string, columns: object): Promise<void> {
  await world.insertConnector(connector(name, columns));
  for (const file of await world.settled(name)) {
    assert.equal(file.status, 'success', file.error_message ?? '');
    if (!('on_bad_row' in columns)) assert.equal(file.rows_imported, ROWS);
  }
}

async function makeHypertable(name: string, columns: string, settings: string): Promise<void> {
  await db.query(
    `create table ${name} ${columns};
     select create_hypertable('${name}', by_range('at', interval '7 days'));
     alter table ${name} set (timescaledb.enable_columnstore, ${settings})`,
  );
}

/** The states of a table's chunks, and whether rows were ever outside its columnstore. */
async function chunks(table: string): Promise<{ states: string[]; rowsOutside: boolean }> {
  return await db.one(
    `select array_agg(distinct _timescaledb_functions.chunk_status_text(c)::text collate "C") as states,
       bool_or(pg_relation_size(c) > 0) as "rowsOutside"
     from show_chunks('${table}') c`,
  );
}

async function batches(table: string): Promise<number> {
  const found = await db.query<{ part: string }>(
    `select compress_relid::text as part from _timescaledb_catalog.compression_settings
     where relid in (select show_chunks('${table}')) and compress_relid is not null`,
  );
  const counts = await Promise.all(
    found.map(({ part }) => db.one<{ n: number }>(`select count(*) as n from ${part}`)),
  );
  return counts.reduce((sum, { n }) => sum + n, 0);
}

/** Imports the same files into a plain table, and compares. */
async function assertSameAsPlain(name: string, columns: object = { file_format: 'parquet' }): Promise<void> {
  await world.insertConnector({
    ...connector(`${name}_plain`, columns),
    pattern: `${name}/*`,
    hypertable: false,
  });
  await world.settled(`${name}_plain`);
  const fields = 'at, device, value, note';
  const difference = (a: string, b: string) =>
    db.one<{ n: number }>(
      `select count(*) as n from (select ${fields} from ${a} except all select ${fields} from ${b}) d`,
    );
  assert.deepEqual(await difference(name, `${name}_plain`), { n: 0 });
  assert.deepEqual(await difference(`${name}_plain`, name), { n: 0 });
  await assertOrdered(name);
}

/** Compares a table's ordered results with those of queries that do not use the columnstore's order. */
async function assertOrdered(name: string): Promise<void> {
  const queries = [
    `select at from ${name} order by at desc limit 500`,
    `select at, note from ${name} where device = 'device 3' order by at desc, note limit 500`,
    `select device, value, at from ${name} order by device, value desc nulls last, at`,
    `select value, at from ${name} where device = 'device 5' order by value desc nulls last, at`,
    `select value, at from ${name} where device is null order by value nulls first, at desc`,
  ];
  for (const query of queries) {
    // A sort by an expression does not use the columnstore's order.
    const sorted = `select * from (${query.replace(/ order by .*/, '')} offset 0) q order by ${query.split(' order by ')[1]}`;
    const [found, expected] = [await db.query(query), await db.query(sorted)].map((rows) =>
      rows.map((row) => JSON.stringify(row)),
    );
    // In parts, because deepEqual takes minutes to compare two lists of thousands.
    const first = found!.findIndex((row, i) => row !== expected![i]);
    assert.deepEqual(
      [found!.length, found![first]],
      [expected!.length, expected![first]],
      `row ${first} of ${query}`,
    );
  }
}
