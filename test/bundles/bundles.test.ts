import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { assertAtRest, assertExactlyOnce } from '../faults/exactly_once.ts';
import { parquetOf } from '../support/parquet.ts';
import { openWorld } from '../support/world.ts';
import {
  csv,
  duringBundle,
  FILES,
  importFiles,
  insertFiles,
  keyOf,
  ROWS,
  transactions,
  untilRunning,
  whileBundled,
} from './files.ts';

const world = await openWorld();
const { db, server } = world;
// With one place, all files that wait are one bundle.
before(() => world.startWorker({ WORKER_CONCURRENCY: '1' }));

const exactlyOnce = (name: string) =>
  assertExactlyOnce(db, { connector: name, table: name, rowsOf: () => ROWS });

test('small files that wait come by one transaction, and each has its own row, counts, history and notification', async () => {
  const listener = await db.connect();
  const told: { key: string; status: string }[] = [];
  listener.on('notification', ({ payload }) => told.push(JSON.parse(payload!)));
  await listener.query('listen s3_connector');
  const files = await importFiles(world, 'many');
  assert.equal(await transactions(world, 'many'), 1);
  await exactlyOnce('many');
  assert.deepEqual(
    files.map(({ status, attempts, rows_read, rows_imported }) => ({
      status,
      attempts,
      rows_read,
      rows_imported,
    })),
    files.map(() => ({ status: 'success', attempts: 1, rows_read: ROWS, rows_imported: ROWS })),
  );
  assert.deepEqual(
    await db.query(
      `select from_status, to_status, attempt, count(*)::integer as files, count(distinct key)::integer as keys
        from s3_connector.file_history where connector_name = 'many' group by 1, 2, 3 order by min(at)`,
    ),
    [
      { from_status: null, to_status: 'in_queue', attempt: 0, files: FILES, keys: FILES },
      { from_status: 'in_queue', to_status: 'running', attempt: 1, files: FILES, keys: FILES },
      { from_status: 'running', to_status: 'success', attempt: 1, files: FILES, keys: FILES },
    ],
  );
  await listener.query('select');
  const successes = told.filter(({ status }) => status === 'success').map(({ key }) => key);
  assert.deepEqual(
    successes,
    files.map(({ key }) => key),
    'in key order',
  );
  await listener.end();
  assert.deepEqual(await db.query('select * from s3_connector_private.wrong_totals()'), []);
  await assertAtRest(db);
});

test('one bad file fails with its own line, and the others of its bundle are imported', async () => {
  const bad = 17;
  const files = await importFiles(world, 'one_bad', {
    bodyOf: (file) => (file === bad ? csv(file).replace(`${bad},1,`, `${bad},x,`) : csv(file)),
  });
  assert.deepEqual(
    files.map(({ status }) => status),
    files.map((_, file) => (file === bad ? 'failure' : 'success')),
  );
  assert.match(files[bad]!.error_message!, /line 3, column n.*"x"/);
  assert.equal(files[bad]!.attempts, 1);
  const { rows } = await db.one<{ rows: number }>('select count(*) as rows from one_bad');
  assert.equal(Number(rows), (FILES - 1) * ROWS);
  await assertAtRest(db);
});

test('files of one bundle may differ in how their bytes are written, and none loses a row', async () => {
  const bodies = [
    (file: number) => csv(file, ''),
    (file: number) => gzipSync(csv(file)),
    (file: number) => `value,file,n\n${[0, 1, 2].map((n) => `${file * ROWS + n},${file},${n}`).join('\n')}\n`,
    (file: number) => csv(file).replaceAll('\n', '\r\n'),
    () => '',
    () => 'file,n,value\n',
  ];
  const kindOf = (file: number) => file % bodies.length;
  for (const [name, kinds] of [
    ['mixed_ends', [0, 1, 4, 5]],
    ['mixed_columns', [0, 2]],
    ['mixed_newlines', [0, 3]],
  ] as const) {
    const kind = (file: number) => kinds[kindOf(file) % kinds.length]!;
    await importFiles(world, name, { bodyOf: (file) => bodies[kind(file)]!(file) });
    await assertExactlyOnce(db, {
      connector: name,
      table: name,
      rowsOf: (key) => (kind(Number(key.slice(-3))) >= 4 ? 0 : ROWS),
    });
    if (name === 'mixed_ends') assert.equal(await transactions(world, name), 1);
  }
});

test('JSON and Parquet files are bundled, too', async () => {
  const line = (file: number, n: number) => JSON.stringify({ value: file * ROWS + n, n, file });
  await importFiles(world, 'json', {
    file_format: 'json',
    bodyOf: (file) => [0, 1, 2].map((n) => line(file, n)).join('\n'),
  });
  await exactlyOnce('json');
  assert.equal(await transactions(world, 'json'), 1);

  const bodies = await Promise.all(
    Array.from({ length: 4 }, (_, file) =>
      parquetOf(
        `select ${file}::integer as file, range::integer as n, (${file} * 3 + range)::integer as value from range(3)`,
      ),
    ),
  );
  await importFiles(world, 'parquet', {
    files: bodies.length,
    file_format: 'parquet',
    bodyOf: (file) => bodies[file]!,
  });
  await exactlyOnce('parquet');
  assert.equal(await transactions(world, 'parquet'), 1);
});

test('files whose table or connector could tell the difference come one by one', async () => {
  await db.query(
    `create function count_statements() returns trigger language plpgsql as $$ begin return null; end $$`,
  );
  await insertFiles(world, 'with_trigger', { files: 4, state: 'paused' });
  await db.query(
    'create trigger counting after insert on with_trigger for each statement execute function count_statements()',
  );
  await db.query("select s3_connector.resume('with_trigger')");
  await world.settled('with_trigger');
  await exactlyOnce('with_trigger');
  assert.equal(await transactions(world, 'with_trigger'), 4);

  for (const [name, columns] of Object.entries({
    with_on_import: { on_import: 'select 1' },
    with_conflicts: { on_conflict: 'skip', constraints: ', primary key (file, n)' },
    with_one_attempt: { max_attempts: 1 },
    with_one_place: { max_parallel_files: 1 },
    without_table: { target_table: 'made', file_id_column: null },
  })) {
    await importFiles(world, name, { files: 4, ...columns });
    const table = name === 'without_table' ? 'made' : name;
    if (table === name) await exactlyOnce(name);
    // The first file makes the table; the others may come together.
    assert.equal(await transactions(world, table), name === 'without_table' ? 2 : 4, name);
  }
});

test('a file that is cancelled stops its bundle, and the others come one by one', async () => {
  await whileBundled(world, 'cancelled', () =>
    db.query("select s3_connector.cancel_file('cancelled', $1)", [keyOf('cancelled', 5)]),
  );
  const files = await world.settled('cancelled');
  assert.deepEqual(
    files.map(({ status, attempts }) => [status, attempts]),
    files.map((_, file) => [file === 5 ? 'cancelled' : 'success', 1]),
  );
  const { rows } = await db.one<{ rows: number }>('select count(*) as rows from cancelled');
  assert.equal(Number(rows), (FILES - 1) * ROWS);
  await assertAtRest(db);
});

test('a pause during a bundle lets it finish', async () => {
  await whileBundled(world, 'pausing', () => db.query("select s3_connector.pause('pausing')"));
  await db.waitFor(
    "select from s3_connector.files where connector_name = 'pausing' and status = 'success'",
    (files) => files.length === FILES,
  );
  await exactlyOnce('pausing');
});

test('a connector that is dropped during a bundle leaves no row of it', async () => {
  await whileBundled(world, 'dropped', async () => {
    await db.query("select s3_connector.pause('dropped')");
    await db.query("select s3_connector.drop_connector('dropped')");
  });
  await assertAtRest(db);
  assert.deepEqual(await db.query('select from dropped'), []);
  await world.spoolEmptied();
});

test('a file can be undone while later ones come in a bundle', async () => {
  await importFiles(world, 'undone', { files: 2 });
  for (let file = 2; file < FILES; file++) world.put(keyOf('undone', file), csv(file));
  const poll = () => db.query("select s3_connector.poll_now('undone')");
  let undoing: Promise<unknown> | undefined;
  await duringBundle(world, 'undone', FILES - 2, poll, async () => {
    // It waits for the table, as the bundle does.
    undoing = db.query("select s3_connector.undo_file('undone', $1)", [keyOf('undone', 0)]);
  });
  await undoing;
  await db.waitFor(
    "select from s3_connector.files where connector_name = 'undone' and status = 'undone'",
    (files) => files.length === 1,
  );
  await world.settled('undone');
  assert.deepEqual(
    await db.one(
      'select count(*)::integer as rows, count(*) filter (where file = 0)::integer as undone from undone',
    ),
    { rows: (FILES - 1) * ROWS, undone: 0 },
  );
  await assertAtRest(db);
});

test('an object that the bucket refuses for a while is retried, and the others of its bundle do not wait', async () => {
  const trouble = server.faults.order({
    operation: 'GetObject',
    key: keyOf('refused', 3),
    error: { status: 503, code: 'SlowDown' },
    times: 1000,
  });
  await insertFiles(world, 'refused');
  await db.waitFor(
    "select status, attempts from s3_connector.files where connector_name = 'refused' and status in ('success', 'pending_retry')",
    (files) => files.length === FILES,
  );
  trouble.cancel();
  await db.query(
    'select s3_connector_queue.reschedule_jobs(array(select id from s3_connector_queue.jobs where run_at > now()), now())',
  );
  const files = await world.settled('refused');
  assert.deepEqual(
    files.map(({ attempts }) => attempts),
    files.map((_, file) => (file === 3 ? 2 : 1)),
  );
  await exactlyOnce('refused');
});

test('an object whose bytes stop coming delays only itself', async () => {
  const stalled = server.faults.order({
    operation: 'GetObject',
    key: keyOf('stalled', 3),
    stall: { after: 1 },
  });
  await insertFiles(world, 'stalled');
  await db.waitFor(
    "select from s3_connector.files where connector_name = 'stalled' and status = 'success'",
    (files) => files.length === FILES - 1,
  );
  await untilRunning(world, 'stalled', 1);
  stalled.release();
  await world.settled('stalled');
  await exactlyOnce('stalled');
});

test('an object of another version than the listed one is looked up, and imported alone', async () => {
  server.faults.order({
    operation: 'GetObject',
    key: keyOf('changed', 3),
    error: { status: 412, code: 'PreconditionFailed' },
    times: 1,
  });
  const files = await importFiles(world, 'changed');
  assert.deepEqual(
    files.map(({ attempts }) => attempts),
    files.map(() => 1),
  );
  await exactlyOnce('changed');
  assert.equal(await transactions(world, 'changed'), 2);
});
