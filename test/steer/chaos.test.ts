import assert from 'node:assert/strict';
import { test } from 'node:test';
import type pg from 'pg';
import { EACH_MINUTE, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db, server } = world;
const FILES = 30;
const ROWS = 5;
const SESSIONS = 8;
const CALLS = 60;
const CONNECTORS = ['wide', 'narrow', 'made'];
const ENDED = ['success', 'failure', 'cancelled', 'undone'];
/** Allowed refusals of a call: not now (paused, imported, not imported), or being imported. */
const REFUSALS = ['55000', '55006'];

/** Seed of all random choices; another STEER_SEED is another run, as far as the workers' timing allows. */
const seed = Number(process.env.STEER_SEED ?? 1);

/** mulberry32 */
function randomFrom(start: number): () => number {
  let state = start;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const key = (name: string, file: number) => `${name}/${String(file).padStart(2, '0')}.csv`;

test('random calls from many sessions, while workers run and one dies, keep the state consistent', async (t) => {
  t.diagnostic(`STEER_SEED=${seed}`);
  await prepare();
  const doomed = await world.startWorker();
  await world.startWorker();
  const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => db.connect()));
  const steering = sessions.map((session, n) => steer(session, randomFrom(seed + n)));
  await steering[0];
  await doomed.end('SIGKILL');
  await Promise.all(steering);
  await world.startWorker();

  server.faults.clear();
  await settle();
  await assertConsistent();
  // Everything that the calls have left is imported.
  for (const name of CONNECTORS) {
    await db.query('select s3_connector.set_marker($1, null)', [name]);
    await db.query('select s3_connector.retry($1)', [name]);
    await db.query(
      `select s3_connector.retry_file(connector_name, key) from s3_connector.files
        where connector_name = $1 and status in ('cancelled', 'undone')`,
      [name],
    );
  }
  await settle();
  await assertConsistent();
  for (const name of CONNECTORS) {
    assert.deepEqual(
      await db.one(`select count(*) as n, count(distinct (file, n)) as different from ${name}`),
      {
        n: FILES * ROWS,
        different: FILES * ROWS,
      },
    );
  }
});

async function prepare(): Promise<void> {
  for (const name of CONNECTORS) {
    for (let file = 0; file < FILES; file++) {
      const rows = Array.from({ length: ROWS }, (_, n) => `${file},${n}`);
      world.put(key(name, file), `file,n\n${rows.join('\n')}\n`);
    }
    if (name !== 'made') await db.query(`create table ${name} (file bigint, n bigint, file_id bigint)`);
    await world.insertConnector({
      name,
      pattern: `${name}/*`,
      target_table: name,
      file_id_column: 'file_id',
      schedule: EACH_MINUTE,
      max_attempts: 2,
      max_parallel_files: name === 'narrow' ? 2 : null,
    });
  }
  const random = randomFrom(seed);
  for (let n = 0; n < 300; n++) {
    const dice = random();
    if (dice < 0.1)
      server.faults.order({ operation: 'GetObject', error: { status: 403, code: 'AccessDenied' } });
    else if (dice < 0.2) server.faults.order({ operation: 'GetObject', stall: { after: 1 } });
    else if (dice < 0.3) server.faults.order({ operation: 'GetObject', cut: 3 });
    else server.faults.order({ operation: 'GetObject', stall: { after: 1, ms: 100 * random() } });
  }
}

/** Makes random calls; an error that is not a refusal, such as a deadlock, fails the test. */
async function steer(session: pg.Client, random: () => number): Promise<void> {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  for (let call = 0; call < CALLS; call++) {
    const name = pick(CONNECTORS);
    const file = key(name, Math.floor(random() * FILES));
    const [text, values] = pick<[string, unknown[]]>([
      ['pause($1)', [name]],
      ['resume($1)', [name]],
      ['resume($1)', [name]],
      ['poll_now($1)', [name]],
      ['retry($1)', [name]],
      ['cancel_file($1, $2)', [name, file]],
      ['cancel_file($1, $2)', [name, file]],
      ['retry_file($1, $2)', [name, file]],
      ['reimport_file($1, $2)', [name, file]],
      ['reimport_file($1, $2)', [name, file]],
      ['undo_file($1, $2)', [name, file]],
      ['set_marker($1, $2)', [name, pick([null, file])]],
    ]);
    try {
      await session.query(`select s3_connector.${text}`, values);
      if (random() < 0.1) await session.query("select s3_connector_queue.add_job('poll_due')");
    } catch (error) {
      const { code, message } = error as pg.DatabaseError;
      // Not found (42704): the file was not polled yet.
      if (!REFUSALS.includes(code ?? '') && !(code === '42704' && /has no file/.test(message))) {
        throw new Error(`${text} with ${values}: ${code} ${message}`, { cause: error });
      }
    }
  }
}

async function settle(): Promise<void> {
  for (const name of CONNECTORS) await db.query('select s3_connector.resume($1)', [name]);
  // The workers' scheduled tasks, now: free the files of the dead worker, and wake waiting connectors.
  await db.query("select s3_connector_private.rescue_files(); select s3_connector_queue.add_job('poll_due')");
  for (const name of CONNECTORS) await world.settled(name);
}

async function assertConsistent(): Promise<void> {
  const odd = await db.query(
    'select * from s3_connector.files where status <> all ($1::s3_connector.file_status[])',
    [ENDED],
  );
  assert.deepEqual(odd, []);
  // A job may be about to end, after its file was recorded.
  await db.waitFor(
    'select * from s3_connector_queue.jobs where locked_at is not null',
    (rows) => rows.length === 0,
  );
  for (const name of CONNECTORS) {
    assert.deepEqual(
      await db.query(
        `select f.key, f.status, f.rows_imported, count(t.n) as rows from s3_connector.files f
          left join ${name} t on t.file_id = f.id
          where f.connector_name = $1
          group by f.id
          having count(t.n) <> case when f.status = 'success' then ${ROWS} else 0 end
            or f.rows_imported is distinct from case when f.status = 'success' then ${ROWS} end`,
        [name],
      ),
      [],
    );
    assert.deepEqual(
      await db.query(`select from ${name} where file_id not in (select id from s3_connector.files)`),
      [],
    );
  }
}
