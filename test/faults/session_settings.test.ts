import assert from 'node:assert/strict';
import { test } from 'node:test';
import type pg from 'pg';
import { call } from '../requests/support.ts';
import { parquetOf } from '../support/parquet.ts';
import { type FileRow, openWorld, type World } from '../support/world.ts';
import { withJobsDue } from './clock.ts';

/** Settings that a role or a database may have, each of which changes what a session reads or writes. */
const ODD = {
  datestyle: "'SQL, DMY'",
  intervalstyle: 'sql_standard',
  timezone: "'Asia/Kolkata'",
  bytea_output: 'escape',
  extra_float_digits: '-15',
  array_nulls: 'off',
  default_transaction_isolation: 'serializable',
  idle_session_timeout: "'2s'",
};
/** For the worker alone: with it, a person's own session would not pass the checks of a connector. */
const ODD_WORKER = {
  datestyle: "'German'",
  standard_conforming_strings: 'off',
  lock_timeout: "'50ms'",
  search_path: 'nowhere',
  row_security: 'off',
};

const COLUMNS = 'id integer, at timestamptz, day date, took interval, x double precision, tags text[]';
const CSV = `id,at,day,took,x,tags
1,2026-03-04 05:06:07,2026-03-04,-1 02:03:04,0.1,"{a,NULL}"
2,2026-12-31T23:59:59.123456Z,2026-12-31,1 year 2 mons,1e-300,{}
`;
/** The second row is bad; the third has the key of the first. */
const FAULTY = 'id,day\n7,2026-01-02\n8,2026-02-30\n7,2026-03-04\n';
const FORMATS = [
  { name: 'csv', file_format: 'csv' },
  { name: 'parquet', file_format: 'parquet' },
];

/** Has a worker run all of its operations, and returns their results. */
async function live(world: World, env: Record<string, string>): Promise<unknown> {
  const { db } = world;
  const worker = await world.startWorker(env);
  // The reading session must not depend on the database's settings.
  const reader = await db.connect();
  await reader.query(
    "set datestyle to iso; set intervalstyle to postgres; set timezone to 'UTC'; set idle_session_timeout to 0; set extra_float_digits to 1; set default_transaction_isolation to 'read committed'",
  );
  const results: Record<string, unknown> = {};
  world.put('csv/1.csv', CSV);
  world.put(
    'parquet/1.parquet',
    await parquetOf(
      `select 1::integer as id, timestamptz '2026-03-04 05:06:07.123456Z' as at, date '2026-03-04' as day,
        interval '1 year 2 days' as took, 0.1::double as x, ['a', null] as tags`,
    ),
  );
  for (const { name, file_format } of FORMATS) {
    await db.query(`create table ${name} (${COLUMNS}, file_id bigint)`);
    await world.insertConnector({
      name,
      file_format,
      pattern: `${name}/*`,
      target_table: name,
      file_id_column: 'file_id',
    });
    results[name] = [
      await world.settled(name).then((files) => files.map(outcome)),
      await rows(reader, `select * from ${name}`),
    ];
  }
  await db.query('create table faulty (id integer primary key, day date, file_id bigint)');
  world.put('faulty/1.csv', FAULTY);
  await world.insertConnector({
    name: 'faulty',
    pattern: 'faulty/*',
    target_table: 'faulty',
    on_bad_row: 'skip',
    on_conflict: 'skip',
    file_id_column: 'file_id',
  });
  results.faulty = [
    (await world.settled('faulty')).map(outcome),
    await rows(reader, 'select * from faulty'),
    await rows(reader, 'select line, column_name, error, raw from s3_connector.rejected_rows'),
  ];
  world.put('made/1.csv', CSV);
  await world.insertConnector({ name: 'made', pattern: 'made/*', target_table: 'made' });
  results.made = [(await world.settled('made')).map(outcome), await rows(reader, 'select * from made')];

  results.undone = await rows(reader, "select s3_connector.undo_file('csv', 'csv/1.csv')");
  results.reimported = await rows(
    reader,
    "select s3_connector.reimport_file('parquet', 'parquet/1.parquet')",
  );
  await world.settled('parquet');
  results.again = await rows(reader, 'select * from parquet');
  world.put('csv/0-late.csv', CSV);
  results.asked = {
    check: (await call(db, "call s3_connector.check('csv')")).notices,
    preview: (await call(db, "call s3_connector.preview('made')")).notices,
    columns: await rows(
      reader,
      'select source_column, inferred_type, nullable, target_type from s3_connector.preview_columns',
    ),
    dry: (await call(db, "call s3_connector.dry_run_file('csv', 'csv/0-late.csv')")).row,
    audit: (await call(db, "call s3_connector.audit('csv')")).notices,
    late: await rows(reader, 'select key, reason from s3_connector.late_files'),
  };
  results.errors = await rows(
    reader,
    'select connector_name, error_code, error from s3_connector.polls where error is not null',
  );

  // A worker that dies in the middle, and the one that continues.
  const stalled = world.server.faults.order({
    operation: 'GetObject',
    key: 'orphan/1.csv',
    stall: { after: 1 },
  });
  await db.query('create table orphan (id integer, day date)');
  world.put('orphan/1.csv', 'id,day\n1,2026-03-04\n');
  await world.insertConnector({ name: 'orphan', pattern: 'orphan/*', target_table: 'orphan' });
  await stalled.hit();
  await worker.end('SIGKILL');
  stalled.cancel();
  const heir = await world.startWorker(env);
  await withJobsDue(db, () => world.settled('orphan'));
  results.orphan = await rows(reader, 'select * from orphan');
  assert.equal((await heir.end('SIGTERM')).code, 0);
  return results;
}

async function rows(client: pg.Client, query: string): Promise<unknown[]> {
  const { rows: found } = await client.query(
    `select row_to_json(r)::jsonb - 'file_id' as row from (${query}) r`,
  );
  return found.map(({ row }) => row);
}

const outcome = ({ key, status, rows_imported, error_message }: FileRow) => ({
  key,
  status,
  rows_imported,
  error_message,
});

for (const [how, env] of [
  ['as they stand in the file', {}],
  ['encoded', { ENCODE_CSV_FROM_BYTES: '0' }],
] as const) {
  test(`a worker works the same with other settings of its role and database, with values ${how}`, async () => {
    const [plain, odd] = [await openWorld(), await openWorld()];
    const { db } = odd;
    for (const [name, value] of Object.entries(ODD)) {
      await db.query(`alter database ${db.name} set ${name} = ${value}`);
    }
    // This test's own sessions may be idle for longer.
    await db.asSuperuser(`alter role ${db.person.name} in database ${db.name} set idle_session_timeout = 0`);
    for (const [name, value] of Object.entries(ODD_WORKER)) {
      for (const login of [db.worker, db.importer])
        await db.asSuperuser(`alter role ${login.name} in database ${db.name} set ${name} = ${value}`);
    }
    assert.deepEqual(await live(odd, env), await live(plain, env));
  });
}
