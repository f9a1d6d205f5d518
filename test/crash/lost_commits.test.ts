import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type pg from 'pg';
import { startSqsServer } from '../../embedded/sqs/server.ts';
import { assertAtRest } from '../faults/exactly_once.ts';
import { ownServer } from '../faults/own_server.ts';
import { until } from '../support/until.ts';
import type { WorkerProcess } from '../support/worker.ts';
import { openWorld } from '../support/world.ts';
import { Audited, answers } from './auditor.ts';
import { cutPower, stopProcesses } from './processes.ts';

// With synchronous_commit = off, a crash loses the last commits. Here it loses all of them, because the processes that would write
// them to disk have been stopped.

const server = await ownServer(
  { synchronous_commit: 'off', wal_buffers: '64MB', autovacuum: 'off' },
  { durable: true },
);
const world = await openWorld(server);
const { db } = world;
const queue = await startSqsServer();
after(() => queue.close());
let worker: WorkerProcess;
let landed: Audited;
let durable: string[];

before(async () => {
  worker = await startWorker();
  landed = await Audited.insert(world, 'landed');
  durable = landed.put(5);
  await world.pollAndSettle('landed');
});

function startWorker(): Promise<WorkerProcess> {
  return world.startWorker({ S3_ALLOWED_ENDPOINTS: `${world.server.endpoint},${queue.endpoint}` });
}

/** From here on, only a commit that asks for it reaches the disk. */
async function loseCommitsFromNow(): Promise<void> {
  await db.asSuperuser('checkpoint');
  await until('the processes that write have stopped', async () => {
    const writers = await findWriters();
    assert.equal(writers.length, 3);
    await stopProcesses(
      server,
      writers.map(({ pid }) => pid),
    );
    // One that is not idle may have a lock for which the others would wait for ever.
    const busy = (await findWriters()).filter(({ idle }) => !idle);
    for (const { pid } of busy) process.kill(pid, 'SIGCONT');
    return busy.length === 0;
  });
}

const findWriters = () =>
  db.query<{ pid: number; idle: boolean }>(
    `select pid, coalesce(wait_event_type = 'Activity', false) as idle from pg_stat_activity
      where backend_type in ('walwriter', 'background writer', 'checkpointer')`,
  );

async function crash(): Promise<void> {
  await cutPower(server);
  await server.restart();
  await answers(db);
}

test('the rows of the last files and their records are lost together, and the files come again, each once', async () => {
  // A job that ends a little later would be run again after the crash.
  await assertAtRest(db);
  await loseCommitsFromNow();
  const lost = landed.put(40);
  await db.query("select s3_connector.poll_now('landed')");
  await landed.imported(lost);
  await crash();
  assert.deepEqual(await landed.assertRowsAgree(), durable);
  await landed.assertComesOnce();
});

test("a crash that loses the last commits, also those of a worker's start, loses no file", async () => {
  await worker.end('SIGTERM');
  await assertAtRest(db);
  const kept = await landed.assertRowsAgree();
  await loseCommitsFromNow();
  worker = await startWorker();
  const lost = landed.put(20);
  await db.query("select s3_connector.poll_now('landed')");
  await landed.imported(lost);
  await crash();
  assert.deepEqual(await landed.assertRowsAgree(), kept);
  await landed.assertComesOnce();
});

test('an event about a key behind the marker is deleted from its queue only when its note survives a crash', async () => {
  const late = await Audited.insert(world, 'late', { event_queue_url: queue.url });
  late.put(5);
  await world.pollAndSettle('late');
  await loseCommitsFromNow();
  world.put('late/0.csv', 'file,n\n0,0\n');
  const s3 = { bucket: { name: world.bucket }, object: { key: 'late/0.csv' } };
  queue.send(JSON.stringify({ Records: [{ eventName: 'ObjectCreated:Put', s3 }] }));
  await until('the worker has deleted the message', () => queue.kept === 0);
  await worker.end('SIGKILL');
  await crash();
  assert.deepEqual(await db.query("select key from s3_connector.late_files where connector_name = 'late'"), [
    { key: 'late/0.csv' },
  ]);
});

test('an attempt that a crash has taken back cannot record another file, even if the ids of files are used again', async () => {
  await db.query('create table again (n integer)');
  await world.insertConnector({ name: 'again', pattern: 'again/*', target_table: 'again' });
  await db.query(
    "update s3_connector_private.progress set table_ready = true where connector_name = 'again'",
  );
  const session = await db.connect(db.worker);
  await loseCommitsFromNow();
  const before = await begin(session, 'before');
  await crash();
  const anew = await begin(await db.connect(db.worker), 'after');
  const repeated = before.filter(({ id }) => anew.some((each) => each.id === id));
  assert.ok(repeated.length > 0, 'the crash has taken ids back');
  const imports = await db.connect(db.importer);
  for (const { id, attempt, token } of repeated)
    await assert.rejects(
      imports.query('select s3_connector_import.record_success($1, $2, $3, 0, 0, 0, 0, false, null)', [
        ...[id, attempt, token],
      ]),
      { code: 'S3C01' },
    );
});

interface Begun {
  id: string;
  attempt: string;
  token: string;
}

/** Enqueues files, and begins an attempt at each. */
async function begin(session: pg.Client, name: string): Promise<Begun[]> {
  const { rows: files } = await session.query<{ id: string }>(
    `insert into s3_connector.files (connector_name, key, etag, size_bytes, last_modified)
      select 'again', format('again/%s/%s', $1::text, n), '"x"', 1, now() from generate_series(100, 199) n returning id`,
    [name],
  );
  const begun: Begun[] = [];
  for (const { id } of files) {
    const { rows } = await session.query<{ attempt: string; token: string }>(
      `select file ->> 'attempt_id' as attempt, token from s3_connector_private.begin_import($1, $2)`,
      [id, 1],
    );
    begun.push({ id, ...rows[0]! });
  }
  return begun;
}
