import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { gzipSync } from 'node:zlib';
import { parquetOf } from '../support/parquet.ts';
import type { World } from '../support/world.ts';
import { compareSamples, putSamples } from './exporter_samples.ts';

type Rows = Record<string, unknown>[];

/** The database in which a page's SQL runs, and its expected results. */
export interface Setting {
  prepare(world: World): Promise<void>;
  /** Checks the rows of the first statement that contains this text. */
  expect: [string, (rows: Rows, world: World) => void | Promise<void>][];
  /** Checks what the whole page has led to. */
  atEnd?(world: World): Promise<void>;
  cleanUp?(world: World): Promise<void>;
  /** Statements that the page says an administrator runs: their rows are not checked. */
  administrator?: RegExp;
}

const BUCKET = 'acme-telemetry';

/** Two files of the pages' usual connector, the second with a bad row, and a worker. */
async function prepareBucket(world: World): Promise<void> {
  world.server.store.createBucket(BUCKET);
  put(world, 'sensors/2026/01.csv', 'time,sensor,value\n2026-01-01 00:00:00Z,a,1.5\n');
  put(world, 'sensors/2026/02.csv', 'time,sensor,value\n2026-02-01 00:00:00Z,a\n');
  await world.startWorker({ AWS_ENDPOINT_URL_S3: world.server.endpoint });
}

const put = (world: World, key: string, body: Buffer | string) => world.server.store.put(BUCKET, key, body);

async function prepareConnector(world: World): Promise<void> {
  await prepareBucket(world);
  await world.db.query(`insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table)
    values ('sensors', '${BUCKET}', 'sensors/**/*.csv', 'csv', 'sensor_readings')`);
  await world.settled('sensors');
}

const returns =
  (column: string, value: unknown) =>
  (rows: Rows): void =>
    assert.equal(rows[0]?.[column], value);

const shows =
  (...expected: Rows) =>
  (rows: Rows): void => {
    assert.equal(rows.length, expected.length);
    for (const [i, row] of expected.entries()) assert.deepEqual(rows[i], { ...rows[i], ...row });
  };

const shown = (rows: Rows): void => assert.ok(rows.length > 0);

/** By page. */
export const SETTINGS: Record<string, Setting> = {
  'README.md': {
    prepare: prepareBucket,
    expect: [
      ['s3_connector.checks', (rows) => assert.ok(rows.length > 0 && rows.every(({ ok }) => ok))],
      ['s3_connector.preview_columns', (rows) => assert.equal(rows.length, 3)],
      ['dry_run_file', returns('rows_imported', 1)],
      ['rows_total', shows({ name: 'sensors', success: 1, failure: 1, rows_total: 1 })],
      ['from s3_connector.files', shows({ status: 'success' }, { status: 'failure', error_code: 'bad_row' })],
      ['s3_connector.retry(', returns('retry', 1)],
      ['file_history', shown],
      ['s3_connector.polls', shown],
      [
        'drop_connector',
        async (_, { db }) => {
          assert.deepEqual(await db.query('select sensor, value from sensor_readings'), [
            { sensor: 'a', value: 1.5 },
          ]);
          assert.deepEqual(await db.query('select from s3_connector.connectors'), []);
        },
      ],
    ],
  },

  'docs/connectors.md': {
    async prepare(world) {
      await prepareBucket(world);
      const page = await readFile(new URL('../../docs/connectors.md', import.meta.url), 'utf8');
      const line = /```json\n(\{ "id": 1.*\n)```/.exec(page)![1]!;
      put(world, 'events/1.json.gz', gzipSync(line));
      put(world, 'orders/1.csv', 'id,first,last,price,ordered\n1,Ada,Lovelace, $1.50,31.12.2026 23:59\n');
      put(world, 'survey/1.csv', 'id,age,city\n1,31,Bern\n2,about 40,\n');
      put(world, 'visits/1.csv', 'patient,note\nA,"tired,\nsent home"\nB,\n');
      put(world, 'stations/01.csv', 'time,station\n2026-01-01 00:00:00Z,north\n');
      put(world, 'stations/02.csv', 'time,station,wind\n2026-02-01 00:00:00Z,north,3.5\n');
      put(world, 'dms/shop/items/LOAD00000001.csv', 'id,name,price\n1,pen,1.5\n2,ink,4\n');
      put(
        world,
        'dms/shop/items/20260105-101500123.csv',
        'Op,id,name,price\nI,3,cup,7\nU,1,pen,2\nU,1,pen,2.5\n',
      );
      put(world, 'dms/shop/items/20260105-111500456.csv', 'Op,id,name,price\nD,2,ink,4\nD,9,,\n');
      const events =
        "values ('r', 1, 'new', 5, 'false'), ('u', 1, 'paid', 9, 'false'), ('d', 2, null, 8, 'true'), ('c', 2, 'new', 6, 'false')";
      put(
        world,
        'debezium/orders/orders+0+0000000000.parquet',
        await parquetOf(`select * from (${events}) r(__op, id, state, __lsn, __deleted)`),
      );
    },
    // What connectors of an earlier block have imported.
    expect: [
      [
        "values ('totals'",
        async (_, { db }) =>
          assert.deepEqual(await db.query('select id, price, customer, ordered::text from orders'), [
            { id: 1, price: '1.50', customer: 'Ada Lovelace', ordered: '2026-12-31 23:59:00+00' },
          ]),
      ],
      [
        'create table prices',
        async (_, { db }) =>
          assert.deepEqual(await db.query('select * from order_totals'), [
            { last: 'Lovelace', total: '1.50' },
          ]),
      ],
      [
        'file_key, line from visits',
        async (rows) =>
          assert.deepEqual(rows, [
            { patient: 'A', file_key: 'visits/1.csv', line: 2 },
            { patient: 'B', file_key: 'visits/1.csv', line: 4 },
          ]),
      ],
      [
        'from s3_connector.schema_changes',
        shows({
          key: 'stations/02.csv',
          column_name: 'wind',
          column_type: 'double precision',
          statement: 'alter table "public"."station_readings" add column "wind" double precision',
        }),
      ],
      [
        'from survey_answers',
        shows({ id: 1, age: 31, rest: { city: 'Bern' } }, { id: 2, age: null, rest: { age: 'about 40' } }),
      ],
      [
        'rows_inserted, rows_updated',
        shows(
          {
            key: 'dms/shop/items/20260105-101500123.csv',
            rows_inserted: 1,
            rows_updated: 1,
            rows_skipped: 1,
          },
          { key: 'dms/shop/items/20260105-111500456.csv', rows_deleted: 1, rows_skipped: 1 },
        ),
      ],
      [
        'from items order by id',
        shows({ id: 1, name: 'pen', price: '2.5' }, { id: 3, name: 'cup', price: '7' }),
      ],
      ['select id, state from order_states', shows({ id: 1, state: 'paid' })],
      [
        'from events;',
        (rows) => assert.deepEqual(rows, [{ id: 1, user_id: 7, tags: ['new', 'eu'], name: 'Ada' }]),
      ],
    ],
  },

  'docs/errors.md': {
    prepare: prepareConnector,
    expect: [
      [
        'group by connector_name, error_code',
        shows({
          connector_name: 'sensors',
          error_code: 'bad_row',
          files: 1,
          first_key: 'sensors/2026/02.csv',
        }),
      ],
      ['s3_connector.retry(', returns('retry', 1)],
    ],
  },

  'docs/files.md': {
    async prepare(world) {
      await prepareBucket(world);
      putSamples(world, BUCKET);
    },
    expect: [],
    atEnd: compareSamples,
  },

  'docs/psql.md': {
    async prepare(world) {
      await prepareConnector(world);
      put(world, 'alarms/2026/01.csv', 'time,alarm\n2026-01-01 00:00:00Z,hot\n');
    },
    expect: [
      [
        'select * from s3_connector.status',
        shows({ name: 'sensors', health: '1 failed', waiting: 0, failed: 1 }),
      ],
      ['where health not in', shows({ name: 'sensors', health: '1 failed' })],
      [
        'min(error_message) as example',
        shows({ connector_name: 'sensors', error_code: 'bad_row', files: 1 }),
      ],
      ['file_history', shown],
      ['dry_run_file', returns('rows_rejected', 1)],
      ['retry_files', returns('retry_files', 0)],
      ['preview_columns', shows({ source_column: 'time' }, { source_column: 'alarm' })],
    ],
  },

  'docs/operating.md': {
    async prepare(world) {
      await prepareConnector(world);
      put(world, 'sensors/2026/00.csv', 'time,sensor,value\n2025-12-31 00:00:00Z,a,0.5\n');
      await world.db.query(
        `update s3_connector_private.progress set notice = 'planted' where connector_name = 'sensors'`,
      );
    },
    expect: [
      [
        'from pg_stat_activity',
        (rows) => {
          const connections = rows.map(({ connections }) => Number(connections));
          // The page's numbers are for a worker with WORKER_CONCURRENCY 4.
          assert.ok(connections.reduce((sum, n) => sum + n) <= 42);
          assert.ok(rows.some(({ application }) => application === 's3_connector worker'));
        },
      ],
      ['sum(list_requests)', shows({ connector_name: 'sensors', keys_listed: '2', files: '2' })],
      [
        's3_connector.open_lineage_events',
        (rows) => assert.equal((rows[0]!.event as { eventType: string }).eventType, 'START'),
      ],
      ['where notice is not null', shows({ name: 'sensors', state: 'running', notice: 'planted' })],
      [
        'select s3_connector.pause(name)',
        async (_, { db }) => {
          const paused = await db.query('select state from s3_connector.connectors');
          assert.deepEqual(paused, [{ state: 'paused' }]);
          await db.query("select s3_connector.resume('sensors')");
        },
      ],
      ["interval '5 minutes'", shows({ name: 'sensors', failure: 1 })],
      ['from s3_connector.workers', returns('alive', 1)],
      ['s3_connector.late_files where', shows({ key: 'sensors/2026/00.csv', reason: 'late' })],
      ['import_late', returns('import_late', 1)],
      ["status = 'failure'\ngroup by error_code", shows({ error_code: 'bad_row', files: 1 })],
      ["call s3_connector.dry_run_file('sensors', 'sensors/2026/02.csv')", returns('error_code', 'bad_row')],
      ['s3_connector.retry(', returns('retry', 1)],
      ["like '%2026/01%'", shows({ key: 'sensors/2026/01.csv' })],
    ],
    administrator: /^create (extension|index)/,
  },

  'docs/security.md': {
    prepare: prepareConnector,
    expect: [],
    cleanUp: ({ db }) => dropRoles(db, ['sensors_loader', 'sensors_dashboard']),
  },

  'docs/coming_from.md': {
    async prepare(world) {
      await prepareBucket(world);
      put(world, 'events/1.csv', 'at,name\n2026-01-01 00:00:00Z,a\n2026-01-02 00:00:00Z,b\n');
      put(world, 'meters/1.csv', 'read_at;meter;kwh\n2026-01-01 00:00:00Z;a;1.5\n');
    },
    expect: [
      ['group by f.key', shows({ key: 'events/1.csv', rows: 2 })],
      ["connector_name = 'meters'", shows({ key: 'meters/1.csv', status: 'success', rows_imported: 1 })],
    ],
  },
};

/** Roles belong to the server, not to the database, so a page's roles must be dropped. */
async function dropRoles(db: World['db'], names: string[]): Promise<void> {
  for (const name of names) {
    const [role] = await db.query('select from pg_roles where rolname = $1', [name]);
    if (role) await db.asSuperuser(`drop owned by ${name}; drop role ${name}`);
  }
}
