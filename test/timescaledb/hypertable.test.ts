import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { createTable } from '../../src/table/create.ts';
import { describeTable } from '../../src/table/table.ts';
import { parquetOf } from '../support/parquet.ts';
import { type ConnectorColumns, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
const available = await db.query("select from pg_available_extensions where name = 'timescaledb'");

const DAY_MS = 86_400_000;
const FIRST_DAY = Date.UTC(2026, 0, 1);

describe('a table created from the first file, with TimescaleDB', {
  skip: available.length === 0 && 'this server has no TimescaleDB (TEST_POSTGRES_BIN_DIR names one that has)',
}, () => {
  before(async () => {
    await db.query('create extension if not exists timescaledb');
    await world.startWorker();
  });

  test('is a hypertable on the time column that was found, with chunks of 7 days', async () => {
    world.put('found/1.csv', readings(0, 30));
    world.put('found/2.csv', readings(30, 30));
    const files = await importAll({ name: 'found' });
    assert.deepEqual(
      files.map((file) => [file.status, file.rows_imported]),
      [
        ['success', 30],
        ['success', 30],
      ],
    );
    assert.deepEqual(await hypertable('found'), {
      column: 'at',
      type: 'timestamp with time zone',
      interval: '7 days',
    });
    const { rows, days } = await db.one<{ rows: number; days: number }>(
      'select count(*) as rows, count(distinct at) as days from found',
    );
    assert.deepEqual([rows, days], [60, 60]);
    const inChunks = await rowsByChunk('found');
    // 60 days are 8 weeks and 4 days, so 9 chunks or 10.
    assert.ok(inChunks.length === 9 || inChunks.length === 10, `chunks of ${inChunks}`);
    assert.ok(
      inChunks.every((count) => count <= 7),
      `chunks of ${inChunks}`,
    );
    assert.deepEqual(await notNullColumns('found'), ['at']);
    assert.match((await world.notice('found'))!, /found was made a hypertable along at/);
  });

  test('is a hypertable on the named time column, by its name in the table', async () => {
    world.put(
      'named/1.csv',
      'at,taken,n\n2026-01-01 00:00:00Z,2026-02-01,1\n2026-01-01 00:00:01Z,2026-03-01,2\n',
    );
    await world.insertConnector({ ...connector('named'), time_column: 'day', state: 'paused' });
    await db.query(
      `insert into s3_connector.column_mappings (connector_name, source_column, target_column) values ('named', 'taken', 'day')`,
    );
    await db.query(`select s3_connector.resume('named')`);
    const [file] = await world.settled('named');
    assert.equal(file!.status, 'success', file!.error_message ?? '');
    assert.deepEqual(await hypertable('named'), { column: 'day', type: 'date', interval: '7 days' });
    assert.deepEqual(await rowsByChunk('named'), [1, 1]);
  });

  test('has its columnstore on, with columns to segment and order by', async () => {
    world.put('columns/1.csv', readings(0, 30));
    const [file] = await importAll({
      name: 'columns',
      columnstore: true,
      segment_by: ['n'],
      order_by: ['at desc nulls last'],
    });
    assert.equal(file!.status, 'success', file!.error_message ?? '');
    assert.deepEqual(
      await db.query(
        "select segmentby, orderby from timescaledb_information.hypertable_columnstore_settings where hypertable = 'columns'::regclass",
      ),
      [{ segmentby: 'n', orderby: 'at DESC NULLS LAST' }],
    );
    assert.equal(
      (
        await db.query(
          "select from timescaledb_information.jobs where proc_name = 'policy_compression' and hypertable_name = 'columns'",
        )
      ).length,
      1,
    );
    world.put('columns_bad/1.csv', readings(0, 1));
    const [bad] = await importAll({ name: 'columns_bad', columnstore: true, segment_by: ['nothing'] });
    assert.deepEqual([bad!.status, bad!.error_code], ['failure', 'bad_columnstore']);
  });

  test('has the requested chunk_interval', async () => {
    world.put('daily/1.csv', readings(0, 10));
    const [file] = await importAll({ name: 'daily', chunk_interval: '1 day' });
    assert.equal(file!.status, 'success', file!.error_message ?? '');
    assert.equal((await hypertable('daily'))?.interval, '1 day');
    assert.deepEqual(await rowsByChunk('daily'), Array(10).fill(1));
  });

  test('is a hypertable from a Parquet file too, with its file id column', async () => {
    world.put(
      'parquet/1.parquet',
      await parquetOf(
        `select 'sensor ' || i % 10 as sensor, timestamptz '2026-01-01 00:00:00Z' + to_minutes(i) as at, i::double as value
         from range(50000) r(i)`,
      ),
    );
    const [file] = await importAll({
      name: 'parquet',
      file_format: 'parquet',
      chunk_interval: '5 days',
      file_id_column: 'file_id',
    });
    assert.deepEqual([file!.status, file!.rows_imported], ['success', 50_000], file!.error_message ?? '');
    assert.deepEqual(await hypertable('parquet'), {
      column: 'at',
      type: 'timestamp with time zone',
      interval: '5 days',
    });
    const inChunks = await rowsByChunk('parquet');
    assert.equal(
      inChunks.reduce((sum, count) => sum + count, 0),
      50_000,
    );
    assert.ok(inChunks.length >= 7, `chunks of ${inChunks}`);
    assert.deepEqual(
      await db.query('select key from s3_connector.files where id in (select file_id from parquet)'),
      [{ key: 'parquet/1.parquet' }],
    );
  });

  test('is plain if hypertable is false', async () => {
    world.put('plain/1.csv', readings(0, 10));
    const [file] = await importAll({ name: 'plain', hypertable: false, time_column: 'at' });
    assert.deepEqual([file!.status, file!.rows_imported], ['success', 10], file!.error_message ?? '');
    assert.equal(await hypertable('plain'), undefined);
    assert.deepEqual(await notNullColumns('plain'), []);
    assert.equal(await world.notice('plain'), null);
  });

  test('is plain if no column holds a time in every row and none is named', async () => {
    world.put('timeless/1.csv', 'n,at\n1,2026-01-01\n2,\n');
    const [file] = await importAll({ name: 'timeless' });
    assert.deepEqual([file!.status, file!.rows_imported], ['success', 2], file!.error_message ?? '');
    assert.equal(await hypertable('timeless'), undefined);
    assert.equal(await world.notice('timeless'), null);
  });

  /** Files that cannot become the hypertable that the connector asks for. */
  const refused: Record<string, { columns: object; body: string; code: string; says: RegExp[] }> = {
    'no time': {
      columns: { hypertable: true },
      body: 'n,at\n1,2026-01-01\n2,\n',
      code: 'no_time_column',
      says: [/hypertable is asked for/, /time_column/],
    },
    'another name': {
      columns: { time_column: 'Time' },
      body: 'n,at\n1,2026-01-01\n',
      code: 'no_time_column',
      says: [/Time/, /n, at/],
    },
    'a text': {
      columns: { time_column: 'at' },
      body: 'n,at\n1,yesterday\n',
      code: 'bad_time_column',
      says: [/column at \(text\)/, /column_mappings/],
    },
    'a number': {
      columns: { time_column: 'at' },
      body: 'n,at\n1,1767225600\n',
      code: 'bad_time_column',
      says: [/column at \(bigint\)/, /column_mappings/],
    },
    'half a day': {
      columns: { chunk_interval: '12 hours' },
      body: 'n,at\n1,2026-01-01\n',
      code: 'bad_time_column',
      says: [/column at \(date\)/, /chunk_interval 12:00:00/, /whole days/],
    },
    'a null': {
      columns: { time_column: 'at' },
      body: 'n,at\n1,2026-01-01\n2,\n',
      code: 'null_not_allowed',
      says: [/line 3/, /"at"/],
    },
  };

  for (const [name, { columns, body, code, says }] of Object.entries(refused)) {
    test(`fails with ${code}, and leaves no table: ${name}`, async () => {
      world.put(`${name}/1.csv`, body);
      const [file] = await importAll({ ...columns, name, target_table: `"${name}"` });
      assert.deepEqual([file!.status, file!.error_code], ['failure', code], file!.error_message ?? '');
      assert.equal(file!.attempts, 1, 'it is not retried');
      for (const pattern of says) assert.match(file!.error_message!, pattern);
      assert.equal((await db.one(`select to_regclass('"${name}"') as made`)).made, null);
      assert.equal(await hypertable(name), undefined);
    });
  }

  test('is rolled back with a first file that fails, and created when that file is fixed', async () => {
    world.put('first/1.csv', `${readings(0, 30)}2026-03-01,30\n`);
    const [failed] = await importAll({ name: 'first' });
    assert.deepEqual([failed!.status, failed!.error_code], ['failure', 'bad_row']);
    assert.match(failed!.error_message!, /line 32/);
    assert.equal(await hypertable('first'), undefined);
    assert.deepEqual(await rowsByChunk('first'), []);

    world.put('first/1.csv', readings(0, 31));
    await db.query("select s3_connector.retry('first')");
    const [retried] = await world.settled('first');
    assert.deepEqual(
      [retried!.status, retried!.rows_imported],
      ['success', 31],
      retried!.error_message ?? '',
    );
    assert.equal((await hypertable('first'))?.column, 'at');
  });

  test('takes many files at once, none lost and none twice', async () => {
    for (let i = 0; i < 12; i++) world.put(`many/${String(i).padStart(2, '0')}.csv`, readings(i * 5, 20));
    const files = await importAll({ name: 'many', chunk_interval: '1 day' });
    assert.deepEqual(
      files.map((file) => [file.status, file.rows_imported]),
      Array(12).fill(['success', 20]),
      files.map((file) => file.error_message).join('\n'),
    );
    const { rows, days } = await db.one<{ rows: number; days: number }>(
      'select count(*) as rows, count(distinct at) as days from many',
    );
    assert.deepEqual([rows, days], [240, 75]);
    assert.equal((await rowsByChunk('many')).length, 75);
  });

  test('belongs to the owner, who needs no rights on TimescaleDB', async () => {
    const role = await db.createRole();
    await db.query(`create schema owned authorization ${role.name}`);
    const client = await db.connect();
    const name = { schema: 'owned', table: 'readings' };
    const columns = [
      { name: 'at', type: 'timestamptz', nullable: false },
      { name: 'value', type: 'double precision', nullable: true },
    ];
    await client.query('begin');
    const made = await createTable(
      client,
      name,
      {
        owner: role.name,
        target_table: 'owned.readings',
        time_column: null,
        hypertable: true,
        chunk_interval: '1 day',
        columnstore: false,
        segment_by: null,
        order_by: null,
        hive_columns: null,
        primary_key: null,
        file_id_column: null,
        file_key_column: null,
        line_column: null,
        rescue_column: null,
      },
      columns,
      [],
    );
    await client.query('commit');
    assert.deepEqual(made.table, await describeTable(client, name, role.name));
    const session = await db.connect(role);
    await session.query(`insert into owned.readings values ('2026-01-01', 1), ('2026-02-01', 2)`);
    assert.deepEqual(
      await db.query(
        `select distinct c.relowner::regrole::text as owner from show_chunks('owned.readings') s join pg_class c on c.oid = s
         union select relowner::regrole::text from pg_class where oid = 'owned.readings'::regclass`,
      ),
      [{ owner: role.name }],
    );
  });

  describe('and a hypertable that a person created', () => {
    test('takes the rows', async () => {
      await db.query(
        `create table own (at timestamptz not null, n integer, value double precision);
         select create_hypertable('own', by_range('at', interval '10 days'))`,
      );
      world.put('own/1.csv', readings(0, 30));
      const [file] = await importAll({ name: 'own', chunk_interval: '1 day' });
      assert.deepEqual([file!.status, file!.rows_imported], ['success', 30], file!.error_message ?? '');
      assert.equal((await hypertable('own'))?.interval, '10 days');
      assert.ok((await rowsByChunk('own')).length >= 3);
    });

    test('names line and column of a refused value, and keeps no row or chunk of that file', async () => {
      world.put('own/2.csv', `${readings(100, 30)}2026-09-01,many,0.5\n`);
      const chunks = await rowsByChunk('own');
      const [, file] = await world.pollAndSettle('own');
      assert.deepEqual([file!.status, file!.error_code], ['failure', 'bad_value']);
      assert.match(file!.error_message!, /line 32, column n: .*integer.*many/);
      assert.deepEqual(await rowsByChunk('own'), chunks);
    });
  });
});

/** A CSV with a row a day, `count` days from the given one on. */
function readings(firstDay: number, count: number): string {
  const rows = Array.from({ length: count }, (_, i) => {
    const at = new Date(FIRST_DAY + (firstDay + i) * DAY_MS).toISOString();
    return `${at},${i},${i / 4}\n`;
  });
  return `at,n,value\n${rows.join('')}`;
}

function connector(name: string): ConnectorColumns {
  return { name, pattern: `${name}/*`, target_table: name };
}

function importAll(columns: Partial<ConnectorColumns> & { name: string }) {
  return world
    .insertConnector({ ...connector(columns.name), ...columns })
    .then(() => world.settled(columns.name));
}

/** The time dimension of a table; undefined if it is not a hypertable. */
async function hypertable(table: string) {
  const [row] = await db.query<{ column: string; type: string; interval: string }>(
    `select column_name::text as column, column_type::text as type, time_interval::text as interval
     from timescaledb_information.dimensions where hypertable_name = $1`,
    [table],
  );
  return row;
}

/** The number of rows in each chunk, in time order. */
async function rowsByChunk(table: string): Promise<number[]> {
  const chunks = await db.query<{ chunk: string }>(
    `select format('%I.%I', chunk_schema, chunk_name) as chunk
     from timescaledb_information.chunks where hypertable_name = $1 order by range_start`,
    [table],
  );
  return Promise.all(
    chunks.map(
      async ({ chunk }) => (await db.one<{ count: number }>(`select count(*) from only ${chunk}`)).count,
    ),
  );
}

async function notNullColumns(table: string): Promise<string[]> {
  const rows = await db.query<{ name: string }>(
    'select attname::text as name from pg_attribute where attrelid = $1::regclass and attnum > 0 and attnotnull order by attnum',
    [table],
  );
  return rows.map(({ name }) => name);
}
