import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { FAULT_POINTS, type FaultPoint } from '../../src/fault_points.ts';
import { LONGEST_WAIT_MS } from '../support/until.ts';
import type { Body } from './bodies.ts';
import { ALL_PLACES, openHistories } from './histories_world.ts';
import { History } from './history.ts';
import type { Settings } from './model.ts';

/** Fault points that a history cannot reach, and why. */
const NOT_HERE: Partial<Record<FaultPoint, string>> = {
  sort_rows: 'a columnstore needs TimescaleDB',
};

const SETTINGS: Settings = {
  kind: 'append',
  format: 'csv',
  conflict: 'update',
  lateKeys: 'report',
  onOverwrite: 'report',
  growth: 'fixed',
  onBadRow: 'fail',
  created: false,
  places: 100,
  parallel: null,
  hasStart: false,
  lineage: true,
  follows: false,
};
const BODY: Body = {
  rows: [
    { op: 'I', id: 1, v: 1, w: 'a' },
    { op: 'I', id: 2, v: null, w: 'b' },
  ],
  flaw: 'none',
  extra: 0,
  packing: 'none',
  large: false,
};
const DENIED = { status: 403, code: 'AccessDenied' };

// With a rate of 0, points are noted and nothing goes wrong.
const world = await openHistories({ lanes: 1, faults: { seed: 1, rate: 0 } });
const { server } = world;

/** Waits until these points are reached; repeats something until then, if given. */
async function reach(points: FaultPoint[], again?: () => Promise<unknown>): Promise<void> {
  for (const deadline = Date.now() + LONGEST_WAIT_MS; ; await delay(20)) {
    await again?.();
    const reached = await world.reached();
    const missing = points.filter((point) => !reached.has(point));
    if (missing.length === 0) return;
    if (Date.now() > deadline) throw new Error(`waited in vain for ${missing.join(', ')}`);
  }
}

let waves = 0;

/** Puts eight small files at the same time, after those before. */
async function putWave(history: History): Promise<void> {
  waves += 1;
  for (const letter of 'abcdefgh') await history.put(history.key(`w${waves + 1000}${letter}`), BODY);
  await history.directly('poll_now', []);
}

const open = (settings: Partial<Settings> = {}) => History.open(world, 0, { ...SETTINGS, ...settings });

test('polls, fetches, imports, bundles and growth reach their points', async () => {
  const history = await open();
  await reach(['fetch_bundled', 'refuse_table', 'plan_bundled', 'copy_bundle', 'record_bundle'], async () => {
    await putWave(history);
    await history.settled();
  });
  await history.put(history.key('x-many'), {
    ...BODY,
    rows: Array(8000).fill({ op: 'I', id: 1, v: 1, w: 'more than 64 KiB' }),
  });
  await history.put(history.key('y-bad'), { ...BODY, flaw: 'word' });
  await history.directly('poll_now', []);
  await history.settled();
  await reach(['open_range', 'read_range', 'write_spool', 'read_sections', 'kill_encoder', 'record_failure']);

  const created = await open({ format: 'parquet', created: true });
  await created.put(created.key('a'), BODY);
  await created.directly('poll_now', []);
  await created.settled();
  await reach([
    'make_table',
    'infer_table',
    'describe_file',
    'read_rows',
    'kill_reader',
    'break_pipe',
    'spool_to_disk',
  ]);

  const growing = await open({ growth: 'grow', onOverwrite: 'reimport', follows: true, places: 1 });
  for (const letter of ['a', 'b']) await growing.put(growing.key(letter), BODY);
  await growing.directly('poll_now', []);
  await growing.settled();
  await growing.put(growing.key('a'), { ...BODY, extra: 1 });
  await growing.directly('poll_now', []);
  await reach(['lock_table', 'delete_old_rows', 'on_import', 'queue_backlog_poll']);
  await growing.settled();
});

test('overwritten, cancelled and postponed files reach their points', async () => {
  const history = await open();
  const key = history.key('a');
  const busy = server.faults.order({
    operation: 'GetObject',
    key,
    error: { status: 503, code: 'SlowDown' },
    times: Number.POSITIVE_INFINITY,
  });
  await history.put(key, BODY);
  await history.directly('poll_now', []);
  await busy.hit();
  await history.put(key, { ...BODY, rows: [] });
  busy.cancel();
  await reach(['head_object', 'record_new_version']);
  await history.settled();

  const stalled = history.stall(history.key('b'));
  await history.put(history.key('b'), BODY);
  await history.directly('poll_now', []);
  await stalled.hit();
  await history.directly('cancel_file', [history.key('b')]);
  await reach(['stop_lost']);
  stalled.cancel();
  await history.settled();

  await world.db.asSuperuser(
    `alter role ${world.db.importer.name} connection limit 0;
    select pg_terminate_backend(pid) from pg_stat_activity where usename = '${world.db.importer.name}'`,
  );
  await reach(['return_attempt', 'give_back'], async () => {
    await putWave(history);
    await delay(500);
  });
  await world.db.asSuperuser(`alter role ${world.db.importer.name} connection limit -1`);
  await history.settled();
});

test('an outage of the bucket reaches its points', async () => {
  const history = await open();
  const denied = server.faults.order({ error: DENIED, times: Number.POSITIVE_INFINITY });
  await history.directly('poll_now', []);
  await reach(['note_outage']);
  denied.cancel();
  await reach(['end_outage']);
  await history.settled();

  const away = server.faults.order({
    operation: 'GetObject',
    error: DENIED,
    // From then on, the bucket cannot be listed either.
    before: () => server.faults.order({ operation: 'ListObjectsV2', error: DENIED }),
    times: Number.POSITIVE_INFINITY,
  });
  await history.put(history.key('a'), BODY);
  await history.directly('poll_now', []);
  await reach(['postpone_attempt']);
  away.cancel();
  await history.settled();
});

test('requests, undo, audits and events reach their points', async () => {
  const history = await open();
  for (const letter of ['a', 'c']) await history.put(history.key(letter), BODY);
  await history.directly('poll_now', []);
  await history.settled();
  await history.ask('dry_run_file', [history.key('a')]);
  await assert.rejects(
    world.db.query('call s3_connector.dry_run_file($1, $2)', [history.name, history.key('missing')]),
  );
  await history.ask('audit');
  await history.put(history.key('b'), BODY);
  await history.event(history.key('b'));
  await world.asAnother('select s3_connector.undo_file($1, $2)', [history.name, history.key('a')]);
  await reach(['answer_with_error', 'finish_audit', 'note_events', 'delete_events', 'commit_undo']);
  await history.settled();
  await world.db.query(
    `create function refuse() returns trigger language plpgsql as 'begin raise exception ''refused''; end';
    create trigger refuse before delete on ${history.name} execute function refuse()`,
  );
  await world.asAnother('select s3_connector.undo_file($1, $2)', [history.name, history.key('c')]);
  await reach(['fail_undo']);
  await world.db.query('select s3_connector.pause($1)', [history.name]);
  await world.db.query("update s3_connector.connectors set audit_schedule = '0 0 1 1 *' where name = $1", [
    history.name,
  ]);
  await world.db.query('select s3_connector.resume($1)', [history.name]);
  await reach(['resume_audit'], () =>
    world.db.query(
      'update s3_connector_private.progress set next_audit_at = now() where connector_name = $1',
      [history.name],
    ),
  );
});

test('an attempt whose beginning was not answered makes its worker look for lost ones', async () => {
  const history = await open();
  // All places of the workers are taken, so that the next file waits until its row is locked.
  const stalled = server.faults.order({ operation: 'GetObject', stall: { after: 1 }, times: ALL_PLACES });
  // Each alone, because it is large.
  const large: Body = { ...BODY, rows: Array(20_000).fill({ op: 'I', id: 1, v: 1, w: 'more than 256 KiB' }) };
  for (let file = 0; file < ALL_PLACES; file++) await history.put(history.key(`a${file}`), large);
  await history.directly('poll_now', []);
  await stalled.hit(ALL_PLACES);
  await history.put(history.key('b'), BODY);
  await history.directly('poll_now', []);
  const file = [history.name, history.key('b')];
  const one = 'select from s3_connector.files where connector_name = $1 and key = $2';
  await world.db.waitFor(one, (files) => files.length === 1, { values: file });
  const person = await world.db.connect();
  await person.query('begin');
  await person.query(`${one} for update`, file);
  stalled.cancel();
  const [waiting] = await world.db.waitFor<{ pid: number }>(
    "select pid from pg_stat_activity where wait_event_type = 'Lock' and query like '%begin_import%'",
    (sessions) => sessions.length > 0,
  );
  await world.db.asSuperuser(`select pg_terminate_backend(${waiting!.pid})`);
  await person.query('rollback');
  await reach(['free_lost']);
  await history.settled();
});

test('every fault point is reached, or it is said why not', async () => {
  const reached = await world.reached();
  const missing = FAULT_POINTS.filter((point) => !reached.has(point));
  assert.deepEqual(missing, Object.keys(NOT_HERE));
});
