import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { withJobsDue } from '../faults/clock.ts';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db, server } = world;
before(() => Promise.all([world.startWorker(), world.startWorker()]));

const DMS = { change_column: 'Op', change_values: 'dms', schedule: NEVER_AGAIN };

const statuses = async (name: string) =>
  (
    await db.query<{ status: string }>(
      'select status from s3_connector.files where connector_name = $1 order by key',
      [name],
    )
  ).map(({ status }) => status);

const waitFor = (name: string, key: string, status: string) =>
  db.waitFor(
    'select status from s3_connector.files where connector_name = $1 and key = $2',
    ([file]) => (file as { status: string } | undefined)?.status === status,
    { values: [name, key] },
  );

/** The keys in the order in which their successful attempts began, and the most files that ran at once. */
async function course(name: string): Promise<{ keys: string[]; most: number }> {
  return await db.one(
    `select array_agg(key order by at) filter (where to_status = 'running') as keys, max(running)::int as most from (
      select h.*, sum((to_status = 'running')::int - (from_status is not distinct from 'running')::int)
        over (order by at, to_status = 'running') as running
      from s3_connector.file_history h where connector_name = $1
    ) h`,
    [name],
  );
}

test('files run one after another, in key order, also with several workers and retries', async () => {
  await db.query('create table ordered (id integer primary key, n integer)');
  const FILES = 12;
  const key = (file: number) => `ordered/${String(file).padStart(2, '0')}`;
  for (let file = 0; file < FILES; file++) {
    world.put(key(file), `Op,id,n\nU,1,${file}\n`);
    // A passing error: the files after it wait for the retry.
    if (file === 2)
      server.faults.order({
        operation: 'GetObject',
        key: key(file),
        error: { status: 500, code: 'InternalError' },
        times: 4,
      });
  }
  await world.insertConnector({ name: 'ordered', pattern: 'ordered/*', target_table: 'ordered', ...DMS });
  const files = await withJobsDue(db, () => world.settled('ordered'));
  assert.ok(files.every(({ status }) => status === 'success'));
  assert.deepEqual(await db.query('select n from ordered'), [{ n: FILES - 1 }]);
  const { keys, most } = await course('ordered');
  assert.equal(most, 1);
  assert.deepEqual(keys, [...keys].sort());
});

test('a failed file blocks later ones, the status says what to do, and a retry lets them run', async () => {
  await db.query('create table failing (id integer primary key, n integer)');
  for (let file = 0; file < 4; file++)
    world.put(`failing/${file}`, `Op,id,n\nU,1,${file === 1 ? 'broken' : file}\n`);
  await world.insertConnector({ name: 'failing', pattern: 'failing/*', target_table: 'failing', ...DMS });
  await waitFor('failing', 'failing/1', 'failure');
  assert.match(
    (await world.notice('failing'))!,
    /wait for 'failing\/1', which failed: correct it and call s3_connector\.retry_file\('failing', 'failing\/1'\), or leave it out with s3_connector\.cancel_file\('failing', 'failing\/1'\)/,
  );
  // Neither a pause, nor housekeeping, nor another poll starts a later file.
  await db.query("select s3_connector.pause('failing'); select s3_connector.resume('failing')");
  await db.query('select s3_connector_private.wake_connectors(); select s3_connector_private.rescue_files()');
  await db.query("select s3_connector.poll_now('failing')");
  await db.waitFor(
    "select caught_up from s3_connector.connector_status where name = 'failing'",
    ([row]) => (row as { caught_up: boolean }).caught_up,
  );
  assert.deepEqual(await statuses('failing'), ['success', 'failure', 'in_queue', 'in_queue']);
  // The job of the failed file itself is deleted a moment after its failure is recorded.
  assert.deepEqual(
    await db.query(
      "select f.key from s3_connector_queue.jobs j join s3_connector.files f on j.key = 'import_file:' || f.id where f.connector_name = 'failing' and f.status = 'in_queue'",
    ),
    [],
  );
  assert.deepEqual(await db.query('select n from failing'), [{ n: 0 }]);

  world.put('failing/1', 'Op,id,n\nU,1,1\n');
  await db.query("select s3_connector.retry_file('failing', 'failing/1')");
  const files = await world.settled('failing');
  assert.ok(files.every(({ status }) => status === 'success'));
  assert.deepEqual(await db.query('select n from failing'), [{ n: 3 }]);
  assert.equal(await world.notice('failing'), null);
});

test('cancel_file skips a failed file; retry_file applies it later, with a notice about the order', async () => {
  await db.query('create table cancelled (id integer primary key, n integer)');
  for (let file = 0; file < 3; file++)
    world.put(`cancelled/${file}`, `Op,id,n\nU,1,${file === 0 ? 'broken' : file}\n`);
  await world.insertConnector({
    name: 'cancelled',
    pattern: 'cancelled/*',
    target_table: 'cancelled',
    ...DMS,
  });
  await waitFor('cancelled', 'cancelled/0', 'failure');
  await db.query("select s3_connector.cancel_file('cancelled', 'cancelled/0')");
  await world.settled('cancelled');
  assert.deepEqual(await statuses('cancelled'), ['cancelled', 'success', 'success']);

  const session = await db.connect();
  const notices: string[] = [];
  session.on('notice', ({ message, hint }) => notices.push(`${message}. ${hint}`));
  world.put('cancelled/0', 'Op,id,n\nU,1,0\n');
  await session.query("select s3_connector.retry_file('cancelled', 'cancelled/0')");
  assert.match(
    notices.join(),
    /file 'cancelled\/0' is applied after later ones, up to 'cancelled\/2'.*cancel_file/,
  );
  await world.settled('cancelled');
  assert.deepEqual(await db.query('select n from cancelled'), [{ n: 0 }]);
});

test('a running file that is cancelled leaves nothing, and the next one runs', async () => {
  await db.query('create table stopped (id integer primary key, n integer)');
  for (let file = 0; file < 2; file++) world.put(`stopped/${file}`, `Op,id,n\nI,${file},${file}\n`);
  server.faults.order({ operation: 'GetObject', key: 'stopped/0', stall: { after: 1 } });
  await world.insertConnector({ name: 'stopped', pattern: 'stopped/*', target_table: 'stopped', ...DMS });
  await waitFor('stopped', 'stopped/0', 'running');
  assert.deepEqual(await statuses('stopped'), ['running', 'in_queue']);
  await db.query("select s3_connector.cancel_file('stopped', 'stopped/0')");
  await world.settled('stopped');
  assert.deepEqual(await statuses('stopped'), ['cancelled', 'success']);
  assert.deepEqual(await db.query('select id from stopped'), [{ id: 1 }]);
});

test('a late key is reported and not imported; import_late applies it with a notice', async () => {
  await db.query('create table late (id integer primary key, n integer)');
  world.put('late/5', 'Op,id,n\nU,1,5\n');
  await world.insertConnector({ name: 'late', pattern: 'late/*', target_table: 'late', ...DMS });
  await world.settled('late');
  world.put('late/3', 'Op,id,n\nU,1,3\n');
  await world.pollAndSettle('late');
  assert.deepEqual(
    await db.query("select key, reason from s3_connector.late_files where connector_name = 'late'"),
    [{ key: 'late/3', reason: 'late' }],
  );
  assert.deepEqual(await db.query('select n from late'), [{ n: 5 }]);
  const session = await db.connect();
  const notices: string[] = [];
  session.on('notice', ({ message }) => notices.push(message!));
  await session.query("select s3_connector.import_late('late')");
  assert.match(notices.join(), /'late\/3' is applied after later ones, up to 'late\/5'/);
  await world.settled('late');
  assert.deepEqual(await db.query('select n from late'), [{ n: 3 }]);
});

test('a file runs after another session has committed or rolled back its own changes of the same keys', async () => {
  await db.query(
    'create table contested (id integer primary key, n integer); insert into contested values (1, 0), (2, 0)',
  );
  const other = await db.connect();
  await other.query('begin; delete from contested where id = 1; insert into contested values (3, 0)');
  world.put('contested/0', 'Op,id,n\nU,1,1\nU,2,1\nI,3,1\n');
  await world.insertConnector({
    name: 'contested',
    pattern: 'contested/*',
    target_table: 'contested',
    ...DMS,
  });
  await db.waitFor(
    "select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and application_name like 's3_connector import_file%'",
    (waiting) => waiting.length > 0,
  );
  await other.query('commit');
  // A retry after a passing error waits for seconds.
  await db.waitFor(
    "select from s3_connector.files where connector_name = 'contested' and status in ('success', 'pending_retry', 'failure')",
    (ended) => ended.length > 0,
  );
  await db.query(
    "select s3_connector.retry_file('contested', 'contested/0') from s3_connector.files where connector_name = 'contested' and status <> 'success'",
  );
  const [file] = (await world.settled('contested')) as unknown as Record<string, unknown>[];
  assert.equal(file!.status, 'success');
  assert.deepEqual(await db.query('select * from contested order by id'), [
    { id: 1, n: 1 },
    { id: 2, n: 1 },
    { id: 3, n: 1 },
  ]);
});
