import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../support/until.ts';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

// stop_when_caught_up: a run that ends pauses its connector.
const world = await openWorld();
const { db } = world;

const stopped = (name: string) =>
  db.waitFor<{ state: string }>(
    'select state from s3_connector.connectors where name = $1',
    ([row]) => row?.state === 'paused',
    { values: [name] },
  );
const statuses = async (name: string) =>
  (
    await db.query<{ status: string }>(
      'select status from s3_connector.files where connector_name = $1 order by key',
      [name],
    )
  ).map(({ status }) => status);
const insert = (name: string, columns: Record<string, unknown> = {}) =>
  world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    schedule: NEVER_AGAIN,
    stop_when_caught_up: true,
    ...columns,
  });

async function listen() {
  const client = await db.connect();
  const heard: unknown[] = [];
  let ends = 0;
  client.on('notification', ({ payload }) => {
    const message = JSON.parse(payload!) as { event?: string };
    if (payload === '{}') ends++;
    if (message.event !== undefined) heard.push(message);
  });
  await client.query('listen s3_connector');
  return async () => {
    // Notifications come in the order of their commits, so this one is the last of those until now.
    const before = ends;
    await db.query("select pg_notify('s3_connector', '{}')");
    await until('the listener has heard all', () => ends > before);
    return heard.splice(0);
  };
}

const started = async (name: string, keys: string[], columns: Record<string, unknown> = {}) => {
  await insert(name, columns);
  await commitPoll(name, keys);
  return (
    await db.query<{ id: number }>(
      'select id from s3_connector.files where connector_name = $1 order by key',
      [name],
    )
  ).map(({ id }) => id);
};
const COMMIT_POLL = `select s3_connector_private.commit_poll($1, p.marker, p.scan_position, $2, null, $3, now(), now(), 1, 1, 1)
  from s3_connector_private.progress p where p.connector_name = $1`;
const objects = (keys: string[]) =>
  JSON.stringify(keys.map((key) => ({ key, etag: '"x"', size_bytes: 1, last_modified: '2026-01-01' })));
const commitPoll = (name: string, keys: string[], backlog = false) =>
  db.query(COMMIT_POLL, [name, objects(keys), backlog]);
const START = 'select attempt_id from s3_connector_private.start_attempt($1, 1)';
const FINISH = 'select s3_connector_private.finish_attempt($1, $2, 1, 1, 0, 0)';
const start = async (id: number) => (await db.one<{ attempt_id: number }>(START, [id])).attempt_id;
const state = async (name: string) =>
  (await db.one<{ state: string }>('select state from s3_connector.connectors where name = $1', [name]))
    .state;
const pollIsQueued = async (name: string) =>
  (await db.query('select from s3_connector_queue.jobs where key = $1', [`poll:${name}`])).length === 1;
const removePoll = (name: string) => db.query('select s3_connector_queue.remove_job($1)', [`poll:${name}`]);

test('a new connector stops at its first poll if there is nothing, and not before it', async () => {
  await insert('nothing');
  await db.query("select s3_connector_private.stop_if_caught_up('nothing')");
  assert.equal(await state('nothing'), 'running');
  await commitPoll('nothing', []);
  assert.equal(await state('nothing'), 'paused');
  assert.equal(await pollIsQueued('nothing'), false);
});

test('a connector without stop_when_caught_up runs on, and one with a backlog too', async () => {
  await insert('on', { stop_when_caught_up: false });
  await commitPoll('on', []);
  assert.equal(await state('on'), 'running');
  await insert('more');
  await commitPoll('more', [], true);
  assert.equal(await state('more'), 'running');
});

test('the end of the last file, also a failure, queues the poll that stops the connector', async () => {
  const [first, second, third] = await started('ends', ['1', '2', '3']);
  await removePoll('ends');
  await db.query(FINISH, [first, await start(first!)]);
  await db.query("select s3_connector_private.fail_attempt($1, $2, 'bad', 'it is bad', false)", [
    second,
    await start(second!),
  ]);
  assert.equal(await pollIsQueued('ends'), false);
  await db.query("select s3_connector.cancel_file('ends', '3')");
  assert.ok(third);
  assert.equal(await pollIsQueued('ends'), true);
  assert.equal(await state('ends'), 'running');
  await commitPoll('ends', []);
  assert.equal(await state('ends'), 'paused');
});

for (const order of ['before', 'after'] as const) {
  test(`a file that ends ${order} the commit of the poll that found nothing is not missed`, async () => {
    const name = `race_${order}`;
    const [file] = await started(name, ['1']);
    await db.query('update s3_connector_private.progress set backlog = true where connector_name = $1', [
      name,
    ]);
    const attempt = await start(file!);
    await removePoll(name);
    const [importing, polling] = [await db.connect(), await db.connect()];
    const steps = {
      end: () => importing.query(FINISH, [file, attempt]),
      poll: () => polling.query(COMMIT_POLL, [name, '[]', false]),
    };
    await importing.query('begin');
    await polling.query('begin');
    const [first, second] = order === 'before' ? (['end', 'poll'] as const) : (['poll', 'end'] as const);
    const sessions = { end: importing, poll: polling };
    await steps[first]();
    // Waits for the first one, or has nothing to wait for.
    const waiting = steps[second]();
    await db.waitFor<{ waits: boolean }>(
      `select exists (select from pg_stat_activity where wait_event_type = 'Lock'
        and datname = current_database()) as waits`,
      ([row]) => row!.waits,
    );
    await sessions[first].query('commit');
    await waiting;
    await sessions[second].query('commit');
    await Promise.all([importing.end(), polling.end()]);
    if (order === 'before') assert.equal(await state(name), 'paused');
    else assert.equal(await pollIsQueued(name), true);
  });
}

test('two last files that end at the same time are not missed', async () => {
  // Until the table exists, files run one at a time.
  await db.query('create table twins (n integer)');
  const [a, b] = await started('twins', ['1', '2']);
  const attempts = [await start(a!), await start(b!)];
  await removePoll('twins');
  const [one, two] = [await db.connect(), await db.connect()];
  await one.query('begin');
  await one.query(FINISH, [a, attempts[0]]);
  const waiting = two.query(FINISH, [b, attempts[1]]);
  await db.waitFor<{ waits: boolean }>(
    "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()) as waits",
    ([row]) => row!.waits,
  );
  await one.query('commit');
  await waiting;
  await Promise.all([one.end(), two.end()]);
  assert.equal(await pollIsQueued('twins'), true);
});

test('a poll that cannot lock the connector without waiting is repeated', async () => {
  await insert('locked');
  const other = await db.connect();
  await other.query('begin');
  await other.query("select from s3_connector.connectors where name = 'locked' for share");
  await commitPoll('locked', []);
  assert.equal(await state('locked'), 'running');
  assert.equal(await pollIsQueued('locked'), true);
  await other.query('commit');
  await other.end();
  await commitPoll('locked', []);
  assert.equal(await state('locked'), 'paused');
});

test('a run imports everything, pauses and notifies once; resumed, it imports what is new and pauses again', async () => {
  await db.query("select s3_connector.pause(name) from s3_connector.connectors where state = 'running'");
  const events = await listen();
  await world.startWorker();
  for (let n = 0; n < 7; n++) world.put(`run/${n}.csv`, n === 3 ? 'n\nx\n' : 'n\n1\n');
  await db.query('create table run (n integer)');
  await insert('run', { max_tracked_files: 2 });
  await stopped('run');
  const ends = ['success', 'success', 'success', 'failure', 'success', 'success', 'success'];
  assert.deepEqual(await statuses('run'), ends);
  assert.deepEqual(await events(), [{ connector: 'run', event: 'caught_up' }]);
  world.put('run/8.csv', 'n\n1\n');
  await db.query("select s3_connector.resume('run')");
  await stopped('run');
  assert.deepEqual(await statuses('run'), [...ends, 'success']);
  assert.deepEqual(await events(), [{ connector: 'run', event: 'caught_up' }]);
});

test('objects that are too young are waited for', async () => {
  world.put('young/1.csv', 'n\n1\n');
  await insert('young', { min_object_age: '1 hour' });
  await db.waitFor(
    "select from s3_connector.polls where connector_name = 'young' and error is null",
    (rows) => rows.length > 0,
  );
  assert.equal(await state('young'), 'running');
  const { caught_up } = await db.one<{ caught_up: boolean }>(
    "select caught_up from s3_connector.connector_status where name = 'young'",
  );
  assert.equal(caught_up, false);
});

test('while an object is too young, a file that ends asks for no poll, and housekeeping polls', async () => {
  await world.stopWorkers();
  await insert('aging');
  await db.query(
    `select s3_connector_private.commit_poll('aging', p.marker, null, $1, null, false, now() + interval '1 hour', now(), 1, 1, 1, '[]',
      jsonb_build_object('rules', s3_connector_private.key_rules(c), 'young', true))
    from s3_connector_private.progress p join s3_connector.connectors c on c.name = p.connector_name where c.name = 'aging'`,
    [objects(['1'])],
  );
  await removePoll('aging');
  const { id } = await db.one<{ id: number }>(
    "select id from s3_connector.files where connector_name = 'aging'",
  );
  await db.query(FINISH, [id, await start(id)]);
  await db.query("select s3_connector_private.enqueue_more('aging')");
  assert.equal(await pollIsQueued('aging'), false);
  assert.equal(await state('aging'), 'running');
  await db.query('select s3_connector_private.enqueue_due_polls()');
  assert.equal(await pollIsQueued('aging'), true);
  await commitPoll('aging', []);
  assert.equal(await state('aging'), 'paused');
});

test('young objects behind the marker are waited for, if they would be imported', async () => {
  await world.startWorker();
  for (const n of [1, 3])
    world.server.store.put(world.bucket, `young_late/${n}.csv`, 'n\n1\n', {
      lastModified: new Date('2026-01-01'),
    });
  await insert('young_late', {
    min_object_age: '1 hour',
    late_keys: 'import',
    start_after: 'young_late/1.csv',
  });
  await stopped('young_late');
  assert.deepEqual(await statuses('young_late'), ['success']);
  world.put('young_late/2.csv', 'n\n1\n');
  const POLLS = "select from s3_connector.polls where connector_name = 'young_late'";
  const before = (await db.query(POLLS)).length;
  await db.query("select s3_connector.resume('young_late')");
  await db.waitFor(POLLS, (rows) => rows.length > before);
  assert.equal(await state('young_late'), 'running');
});
