import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { startSqsServer } from '../../embedded/sqs/server.ts';
import { until } from '../support/until.ts';
import type { WorkerProcess } from '../support/worker.ts';
import { type ConnectorColumns, NEVER_AGAIN, openWorld } from '../support/world.ts';

// Objects that are overwritten after their import. Their events tell the connector, because nothing here waits for a schedule.

const world = await openWorld();
const { db, server, bucket } = world;
const queue = await startSqsServer();
const allowed = { S3_ALLOWED_ENDPOINTS: `${server.endpoint},${queue.endpoint}` };
let worker: WorkerProcess;
before(async () => {
  worker = await world.startWorker(allowed);
});
beforeEach(() => server.faults.clear());
after(() => queue.close());

const handled = () => until('the worker has deleted every message', () => queue.kept === 0);

/** Three rows of a version. All versions have the same primary keys. */
const csv = (version: number) => `n,version\n${[1, 2, 3].map((n) => `${n},${version}\n`).join('')}`;

/** Inserts a connector that has imported version 1 of its only file. */
async function insert(name: string, columns: Partial<ConnectorColumns> = {}): Promise<void> {
  await db.query(
    `create table if not exists ${name} (n integer primary key, version integer, file_id bigint)`,
  );
  world.put(`${name}/1.csv`, csv(1));
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    file_id_column: 'file_id',
    schedule: NEVER_AGAIN,
    event_queue_url: queue.url,
    on_overwrite: 'reimport',
    ...columns,
  });
  const files = await world.settled(name);
  assert.deepEqual(
    files.map(({ status }) => status),
    ['success'],
    files[0]?.error_message ?? '',
  );
}

/** Overwrites the file, and waits until its event is handled. */
async function overwrite(name: string, body: string): Promise<void> {
  const { etag } = server.store.put(bucket, `${name}/1.csv`, body);
  const object = { key: `${name}/1.csv`, eTag: etag.replaceAll('"', ''), size: body.length };
  queue.send(
    JSON.stringify({
      Records: [{ eventName: 'ObjectCreated:Put', s3: { bucket: { name: bucket }, object } }],
    }),
  );
  await handled();
}

/** The versions in the table, with the number of rows of each. */
const versions = async (table: string) =>
  (
    await db.one<{ versions: string }>(
      `select coalesce(string_agg(version || ' x ' || n, ', ' order by version), 'none') as versions
        from (select version, count(*) as n from ${table} group by 1) v`,
    )
  ).versions;
const untilVersions = (table: string, expected: string) =>
  db.waitFor<{ n: string }>(
    `select string_agg(version || ' x ' || n, ', ' order by version) as n
      from (select version, count(*) as n from ${table} group by 1) v`,
    ([row]) => row?.n === expected,
  );
const file = (name: string) =>
  db.one<{ status: string; rows_imported: number | null; error_code: string | null; replaces: boolean }>(
    `select status, rows_imported, error_code, replaces is not null as replaces
      from s3_connector.files where connector_name = $1 and key = $2`,
    [name, `${name}/1.csv`],
  );
const untilStatus = (name: string, status: string) =>
  db.waitFor(
    'select from s3_connector.files where connector_name = $1 and status = $2',
    (rows) => rows.length > 0,
    {
      values: [name, status],
    },
  );
const call = (name: string, action: string) =>
  db.query(`select s3_connector.${action}_file($1, $2)`, [name, `${name}/1.csv`]);
/** Asserts that connector_status counts the rows that are in the table. */
async function assertCounted(name: string): Promise<void> {
  const { rows, counted } = await db.one<{ rows: number; counted: number }>(
    `select (select count(*) from ${name}) as rows, rows_total as counted from s3_connector.connector_status where name = $1`,
    [name],
  );
  assert.equal(counted, rows);
  assert.deepEqual(await db.query('select * from s3_connector_private.wrong_totals()'), []);
}

/** Lets no import write into the table until the returned function is called. */
async function holdImports(table: string): Promise<() => Promise<unknown>> {
  const session = await db.connect();
  await session.query(`begin; lock table ${table} in share mode`);
  return () => session.query('commit');
}
const untilHeld = (table: string) =>
  db.waitFor(
    'select from pg_locks where relation = $1::regclass and not granted',
    (rows) => rows.length > 0,
    { values: [table] },
  );

test('every reader sees exactly one version, however often the object is overwritten', async () => {
  await insert('seen');
  const seen = new Set<string>();
  let reading = true;
  const reader = (async () => {
    while (reading) seen.add(await versions('seen'));
  })();
  for (let version = 2; version <= 6; version++) {
    await overwrite('seen', csv(version));
    await untilVersions('seen', `${version} x 3`);
  }
  reading = false;
  await reader;
  assert.deepEqual(
    [...seen].filter((one) => !/^\d x 3$/.test(one)),
    [],
  );
  assert.deepEqual(await file('seen'), {
    status: 'success',
    rows_imported: 3,
    error_code: null,
    replaces: false,
  });
  await assertCounted('seen');
});

test('the old rows stay until the new ones are committed, also with import_late', async () => {
  await insert('kept', { on_overwrite: 'report' });
  await overwrite('kept', csv(2));
  assert.equal(await versions('kept'), '1 x 3');
  const fault = server.faults.order({ operation: 'GetObject', key: 'kept/1.csv', stall: { after: 3 } });
  assert.deepEqual(await db.query("select s3_connector.import_late('kept') as files"), [{ files: 1 }]);
  await fault.hit();
  assert.equal(await versions('kept'), '1 x 3');
  assert.deepEqual(await file('kept'), {
    status: 'running',
    rows_imported: 3,
    error_code: null,
    replaces: true,
  });
  await assertCounted('kept');
  fault.release();
  await untilVersions('kept', '2 x 3');
});

test('a new version that cannot be imported keeps the old rows, and a later one replaces them', async () => {
  await insert('fails');
  await overwrite('fails', 'n,version\n1,x\n');
  await untilStatus('fails', 'failure');
  assert.equal(await versions('fails'), '1 x 3');
  assert.deepEqual(await file('fails'), {
    status: 'failure',
    rows_imported: 3,
    error_code: 'bad_value',
    replaces: true,
  });
  await assertCounted('fails');
  assert.deepEqual(await db.query("select s3_connector.retry('fails') as files"), [{ files: 1 }]);
  await world.settled('fails');
  assert.equal(await versions('fails'), '1 x 3');
  await overwrite('fails', csv(3));
  await untilVersions('fails', '3 x 3');
  await assertCounted('fails');
});

test('the old rows of a file whose new version failed can be undone', async () => {
  await insert('undoes');
  await overwrite('undoes', 'n,version\n1,x\n');
  await untilStatus('undoes', 'failure');
  assert.deepEqual(await call('undoes', 'reimport'), [{ reimport_file: 0 }]);
  await world.settled('undoes');
  assert.equal(await versions('undoes'), '1 x 3');
  assert.deepEqual(await call('undoes', 'undo'), [{ undo_file: 3 }]);
  assert.equal(await versions('undoes'), 'none');
  assert.deepEqual(await file('undoes'), {
    status: 'undone',
    rows_imported: null,
    error_code: null,
    replaces: false,
  });
  await assertCounted('undoes');
});

test('an on_import that fails keeps the old rows and the rejected ones', async () => {
  await insert('on_import', { on_bad_row: 'skip', on_import: 'select 1' });
  await overwrite('on_import', 'n,version\n1,2\n2,x\n');
  await untilVersions('on_import', '2 x 1');
  const rejected = async () =>
    (await db.query("select line from s3_connector.rejected_rows where connector_name = 'on_import'")).length;
  assert.equal(await rejected(), 1);
  await db.query("select s3_connector.pause('on_import')");
  await db.query(
    "update s3_connector.connectors set on_import = 'select 1 / (count(*) - 3) from on_import' where name = 'on_import'",
  );
  await db.query("select s3_connector.resume('on_import')");
  await world.settled('on_import');
  await overwrite('on_import', csv(3));
  await untilStatus('on_import', 'failure');
  assert.equal(await versions('on_import'), '2 x 1');
  assert.equal(await rejected(), 1);
  await overwrite('on_import', 'n,version\n1,4\n');
  await untilVersions('on_import', '4 x 1');
  assert.equal(await rejected(), 0);
});

test('an object that is overwritten again during its import is imported again', async () => {
  await insert('again');
  const release = await holdImports('again');
  await overwrite('again', csv(2));
  await untilHeld('again');
  await overwrite('again', csv(3));
  assert.equal((await file('again')).status, 'running');
  await release();
  await untilVersions('again', '3 x 3');
  await world.settled('again');
  assert.deepEqual(
    await db.query("select key from s3_connector.late_files where connector_name = 'again'"),
    [],
  );
});

test('an object that is overwritten during its first import is imported again', async () => {
  await insert('first');
  const release = await holdImports('first');
  world.put('first/2.csv', 'n,version\n4,1\n');
  await db.query("select s3_connector.poll_now('first')");
  await untilHeld('first');
  const { etag } = server.store.put(bucket, 'first/2.csv', 'n,version\n4,2\n');
  queue.send(
    JSON.stringify({
      'detail-type': 'Object Created',
      detail: { bucket: { name: bucket }, object: { key: 'first/2.csv', etag } },
    }),
  );
  await handled();
  await release();
  await untilVersions('first', '1 x 3, 2 x 1');
});

test('a cancelled replacement keeps the old rows, and says so', async () => {
  await insert('cancelled');
  const release = await holdImports('cancelled');
  await overwrite('cancelled', csv(2));
  await untilHeld('cancelled');
  const session = await db.connect();
  const notices: (string | undefined)[] = [];
  session.on('notice', ({ message }) => notices.push(message));
  await session.query("select s3_connector.cancel_file('cancelled', 'cancelled/1.csv')");
  await release();
  assert.match(
    notices.join(),
    /^the table keeps the 3 rows of the version of file 'cancelled\/1.csv' that was imported before$/,
  );
  await world.settled('cancelled');
  assert.equal(await versions('cancelled'), '1 x 3');
  assert.equal((await file('cancelled')).status, 'cancelled');
  await assertCounted('cancelled');
  await call('cancelled', 'retry');
  await untilVersions('cancelled', '2 x 3');
});

test('a paused replacement keeps the old rows, and continues when it is resumed', async () => {
  await insert('paused', { max_parallel_files: 1 });
  const fault = server.faults.order({ operation: 'GetObject', key: 'paused/2.csv', stall: { after: 3 } });
  world.put('paused/2.csv', 'n,version\n4,1\n');
  await db.query("select s3_connector.poll_now('paused')");
  await fault.hit();
  await overwrite('paused', csv(2));
  await db.query("select s3_connector.pause('paused')");
  assert.deepEqual(await file('paused'), {
    status: 'paused',
    rows_imported: 3,
    error_code: null,
    replaces: true,
  });
  fault.release();
  await untilVersions('paused', '1 x 4');
  await db.query("select s3_connector.resume('paused')");
  await untilVersions('paused', '1 x 1, 2 x 3');
  await assertCounted('paused');
});

test('a waiting replacement that is undone is not imported, and gives its place to the next file', async () => {
  await insert('waits', { max_parallel_files: 1 });
  const fault = server.faults.order({ operation: 'GetObject', key: 'waits/2.csv', stall: { after: 3 } });
  for (const n of [2, 3]) world.put(`waits/${n}.csv`, `n,version\n${n + 2},1\n`);
  await db.query("select s3_connector.poll_now('waits')");
  await fault.hit();
  await overwrite('waits', csv(2));
  assert.deepEqual(await call('waits', 'undo'), [{ undo_file: 3 }]);
  fault.release();
  await untilVersions('waits', '1 x 2');
  await world.settled('waits');
  assert.equal((await file('waits')).status, 'undone');
});

test('rows are replaced in the table that they are in, although the connector has another one now', async () => {
  await insert('moves');
  await db.query(
    "create table moved_to (n integer, version integer, id bigint); select s3_connector.pause('moves')",
  );
  await db.query(
    "update s3_connector.connectors set target_table = 'moved_to', file_id_column = 'id' where name = 'moves'",
  );
  await db.query("select s3_connector.resume('moves')");
  await world.settled('moves');
  await overwrite('moves', csv(2));
  await untilVersions('moved_to', '2 x 3');
  assert.equal(await versions('moves'), 'none');
  await overwrite('moves', csv(3));
  await untilVersions('moved_to', '3 x 3');
  await overwrite('moves', 'n,version\n');
  await untilStatus('moves', 'success');
  await world.settled('moves');
  assert.equal(await versions('moved_to'), 'none');
});

test('a file that was imported without file_id_column is only reported', async () => {
  await insert('unknown', { file_id_column: null, on_overwrite: 'report' });
  await db.query("select s3_connector.pause('unknown')");
  await db.query(
    "update s3_connector.connectors set file_id_column = 'file_id', on_overwrite = 'reimport' where name = 'unknown'",
  );
  await db.query("select s3_connector.resume('unknown')");
  await world.settled('unknown');
  await overwrite('unknown', csv(2));
  await world.pollAndSettle('unknown');
  assert.equal(await versions('unknown'), '1 x 3');
  assert.deepEqual(
    await db.query("select reason from s3_connector.late_files where connector_name = 'unknown'"),
    [{ reason: 'overwritten' }],
  );
});

test('a file that had no rows, so that no table was made, is replaced', async () => {
  world.put('tableless/1.csv', 'n,version\n');
  await world.insertConnector({
    name: 'tableless',
    pattern: 'tableless/*',
    target_table: 'tableless',
    file_id_column: 'file_id',
    schedule: NEVER_AGAIN,
    event_queue_url: queue.url,
    on_overwrite: 'reimport',
  });
  assert.equal((await world.settled('tableless'))[0]!.status, 'success');
  await overwrite('tableless', csv(2));
  const [replaced] = await world.settled('tableless');
  assert.deepEqual(
    [replaced!.status, replaced!.rows_imported],
    ['success', 3],
    replaced!.error_message ?? '',
  );
});

test('a deferred constraint that the new rows fulfil does not refuse the replacement', async () => {
  await insert('parents');
  await db.query(`create table children (n integer references parents deferrable initially deferred);
    insert into children values (1)`);
  await overwrite('parents', csv(2));
  await untilVersions('parents', '2 x 3');
  await overwrite('parents', 'n,version\n2,3\n');
  await untilStatus('parents', 'failure');
  assert.equal((await file('parents')).error_code, 'foreign_key_violated');
  assert.equal(await versions('parents'), '2 x 3');
});

test('an owner without the right to delete gets the statement that grants it, and keeps the rows', async () => {
  await insert('ungranted');
  await db.asSuperuser(`alter table ungranted owner to postgres;
    grant select, insert on ungranted to ${db.person.name}`);
  await db.query("call s3_connector.check('ungranted')");
  const checked = await db.one<{ hint: string | null }>(
    "select * from s3_connector.checks where connector_name = 'ungranted' and step = 'grants'",
  );
  assert.match(checked.hint ?? JSON.stringify(checked), /grant select, delete on public.ungranted to /);
  await overwrite('ungranted', csv(2));
  await untilStatus('ungranted', 'failure');
  const [failed] = await world.settled('ungranted');
  assert.equal(failed!.error_code, 'permission_denied');
  assert.match(failed!.error_message!, /Run: grant select, delete on public.ungranted to /);
  await db.asSuperuser(`grant delete on ungranted to ${db.person.name}`);
  await call('ungranted', 'retry');
  await untilVersions('ungranted', '2 x 3');
});

test('a worker that is killed after the copy leaves the old rows, and the next one replaces them', async () => {
  await insert('killed');
  await worker.end('SIGKILL');
  const victim = await world.startWorker({ ...allowed, FAULT_POINT: 'before record_success' });
  await overwriteUnhandled('killed', csv(2));
  assert.equal((await victim.ended()).signal, 'SIGKILL');
  assert.equal(await versions('killed'), '1 x 3');
  await assertCounted('killed');
  worker = await world.startWorker(allowed);
  queue.redeliver();
  await untilVersions('killed', '2 x 3');
  await assertCounted('killed');
});

/** As `overwrite`, but does not wait, because the worker may be killed before it deletes the message. */
async function overwriteUnhandled(name: string, body: string): Promise<void> {
  const { etag } = server.store.put(bucket, `${name}/1.csv`, body);
  const detail = { bucket: { name: bucket }, object: { key: `${name}/1.csv`, etag } };
  queue.send(JSON.stringify({ 'detail-type': 'Object Created', detail }));
}
