import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { listPage } from '../../embedded/bucket/listing.ts';
import { ignoringStartAfter, type Lister, unsorted } from '../../embedded/bucket/listing_faults.ts';
import { type ConnectorColumns, openWorld } from '../support/world.ts';
import { call } from './support.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

interface Step {
  step: string;
  ok: boolean;
  message: string;
  hint: string | null;
}

/** The steps by name, after a check. */
async function check(name: string): Promise<Record<string, Step>> {
  await call(db, `call s3_connector.check('${name}')`);
  const steps = await db.query<Step>(
    'select step, ok, message, hint from s3_connector.checks where connector_name = $1 order by position',
    [name],
  );
  assert.deepEqual(
    steps.map(({ step }) => step),
    ['credentials', 'assume role', 'list', 'get', 'server', 'target', 'rows', 'grants', 'repeats'],
  );
  return Object.fromEntries(steps.map((step) => [step.step, step]));
}

/** Paused, so that no import changes the database in between. */
const insert = (columns: ConnectorColumns) => world.insertConnector({ state: 'paused', ...columns });

const failed = (steps: Record<string, Step>) =>
  Object.values(steps)
    .filter((step) => !step.ok)
    .map((step) => step.step);

test('if all is well, every step of a check says what it found, in checks and in notices', async () => {
  await db.query('create table well (n integer, label text, extra text)');
  world.put('well/empty.csv', '');
  world.put('well/full.csv', 'n,LABEL\n1,one\n');
  await insert({ name: 'well', pattern: 'well/*', target_table: 'well' });
  const steps = await check('well');
  assert.deepEqual(failed(steps), []);
  assert.match(steps.credentials!.message, /environment variables/);
  assert.match(steps.list!.message, /^2 of the first 2 keys match well\/\*; of the keys listed, 1 empty$/);
  assert.match(steps.get!.message, /well\/full.csv/);
  assert.match(steps.target!.message, /"public"."well" is a table; 2 of the 2 columns .* go into n, label/);
  const { notices } = await call(db, "call s3_connector.check('well')");
  assert.equal(notices.length, 9);
  assert.match(notices[5]!.message, /^target: ok, "public"."well" is a table/);
  const all = JSON.stringify([steps, notices]);
  assert.ok(!/reader/.test(all), 'neither key id nor secret');
  assert.ok(
    world.server.requests.recent.some(
      ({ key, headers }) => key === 'well/full.csv' && headers.range === 'bytes=0-0',
    ),
    'the step get reads one byte',
  );
});

test('a check describes the table that an import would create, and does not create it', async () => {
  world.put('to-make/1.csv', 'at,n\n2026-01-01 00:00:00Z,1\n');
  await insert({ name: 'to-make', pattern: 'to-make/*', target_table: 'to_make' });
  const steps = await check('to-make');
  assert.deepEqual(failed(steps), []);
  assert.match(steps.target!.message, /will be made, as a \w+: at timestamp with time zone, n bigint/);
  assert.deepEqual(await db.query("select to_regclass('to_make') as made"), [{ made: null }]);
});

test('a pattern that matches nothing yet is not an error', async () => {
  await insert({ name: 'nothing', pattern: 'nothing/*', target_table: 'nothing' });
  const steps = await check('nothing');
  assert.deepEqual(failed(steps), []);
  assert.match(steps.get!.message, /no key matches/);
  assert.match(steps.list!.hint!, /compare the pattern/);
  assert.match(steps.target!.message, /will be made from the first file/);
});

test('if the bucket cannot be listed, the check says why and still runs the other steps', async () => {
  await insert({
    name: 'no-bucket',
    bucket: 'not-there',
    pattern: '*',
    target_table: 'no_bucket',
  });
  const steps = await check('no-bucket');
  assert.deepEqual(failed(steps), ['list', 'get', 'server']);
  assert.match(steps.list!.message, /there is no bucket not-there/);
  assert.match(steps.list!.hint!, /endpoint/);
  assert.match(steps.get!.message, /not tried/);
});

test('an endpoint that the worker does not allow fails the check, with what to do', async () => {
  await insert({
    name: 'elsewhere',
    endpoint: 'http://127.0.0.1:1',
    pattern: '*',
    target_table: 'elsewhere',
  });
  const steps = await check('elsewhere');
  assert.deepEqual(failed(steps), ['credentials', 'list', 'get', 'server']);
  assert.match(steps.credentials!.hint!, /operator of the worker/);
});

test('a check finds an object that may be listed but not read', async () => {
  world.put('unreadable/1.csv', 'n\n1\n');
  const fault = world.server.faults.order({
    operation: 'GetObject',
    key: 'unreadable/1.csv',
    times: 100,
    error: { status: 403, code: 'AccessDenied' },
  });
  await insert({ name: 'unreadable', pattern: 'unreadable/*', target_table: 'unreadable' });
  const steps = await check('unreadable');
  fault.cancel();
  assert.deepEqual(failed(steps), ['get', 'server', 'target']);
  assert.match(steps.get!.hint!, /s3:GetObject/);
});

test('a check tests the server: order, start-after, If-Match and the ETag of ranges', async () => {
  const { faults } = world.server;
  await db.query('create table tried (n integer)');
  for (let n = 0; n < 9; n += 1) world.put(`tried/${n}.csv`, 'n\n1\n');
  await insert({ name: 'tried', pattern: 'tried/*', target_table: 'tried' });
  const tried = async (name = 'tried') => (await check(name)).server!;
  assert.equal(
    (await tried()).message,
    '9 keys come in order, and the same from the middle on; ranges come with the ETag; If-Match is honoured',
  );

  const ignores = faults.order({ operation: 'GetObject', times: 100, ignoreConditions: true });
  const ignoring = await tried();
  assert.deepEqual([ignoring.ok, /If-Match is ignored$/.test(ignoring.message)], [true, true]);
  assert.match(ignoring.hint!, /compares the ETag of every answer/);
  ignores.cancel();

  const nameless = faults.order({ operation: 'GetObject', times: 100, etag: null });
  const withoutEtag = await check('tried');
  assert.deepEqual(failed(withoutEtag), ['get', 'server', 'target']);
  assert.match(withoutEtag.server!.message, /no ETag/);
  nameless.cancel();

  for (const [listing, message] of [
    [ignoringStartAfter, /asked for keys after "tried\/4.csv", it lists "tried\/0.csv"/],
    [unsorted, /it lists "tried\/3.csv" after "tried\/4.csv"/],
    [hidingKey6, /starts after tried\/4.csv does not have .* differ at tried\/6.csv/],
  ] as const) {
    const fault = faults.order({ operation: 'ListObjectsV2', times: 100, listing });
    const { ok, message: said } = (await check('tried'))[listing === unsorted ? 'list' : 'server']!;
    assert.equal(ok, false, said);
    assert.match(said, message);
    fault.cancel();
  }

  world.put('few/1.csv', 'n\n1\n');
  await insert({ name: 'few', pattern: 'few/*', target_table: 'tried' });
  assert.match((await tried('few')).message, /^order and start-after not tried: fewer than 3 keys; ranges/);
});

/** Omits one key from listings with start-after. */
const hidingKey6: Lister = (keys, options) =>
  listPage(options.after === '' ? keys : keys.filter((key) => key !== 'tried/6.csv'), options);

test('a check finds targets that cannot take the files: wrong columns, no table, no schema', async () => {
  world.put('targets/1.csv', 'n,unknown\n1,2\n');
  await db.query('create table lacking (n integer); create table keyless (n integer, unknown integer)');
  const targets: [string, Record<string, unknown>, RegExp, RegExp][] = [
    ['lacking', {}, /lacks: "unknown"/, /on_unknown_column/],
    ['absent', { create_table: false }, /there is no table "public"."absent"/, /Create the table/],
    ['keyless', { on_conflict: 'update' }, /no primary key or unique index/, /Add a primary key/],
    ['nowhere.t', {}, /there is no schema nowhere/, /create schema nowhere;/],
  ];
  for (const [target, columns, message, hint] of targets) {
    await insert({
      name: `to ${target}`,
      pattern: 'targets/*',
      target_table: target,
      ...columns,
    });
    const { target: step } = await check(`to ${target}`);
    assert.deepEqual([target, step!.ok], [target, false]);
    assert.match(step!.message, message);
    assert.match(step!.hint!, hint);
  }
});

test('a check shows missing grants as the statements that give them', async () => {
  const owner = await db.createRole();
  await db.query(
    `create table granted (n integer, m integer); create schema closed; create table closed.t (n integer)`,
  );
  world.put('granted/1.csv', 'n\n1\n');
  const connectors = { granted: 'granted', closed: 'closed.t', making: 'making' };
  for (const [name, target_table] of Object.entries(connectors)) {
    await insert({ name, pattern: 'granted/*', target_table });
  }
  // As if the role had inserted them itself; the trigger lets no other role set the owner.
  await db.asSuperuser(`set session_replication_role = replica;
    update s3_connector.connectors set owner = '${owner.name}' where name in ('granted', 'closed', 'making');
    reset session_replication_role`);
  const grants = async (name: string) => (await check(name)).grants!;
  assert.deepEqual((await grants('granted')).hint, `grant insert on public.granted to ${owner.name};`);
  assert.equal(
    (await grants('closed')).hint,
    `grant usage on schema closed to ${owner.name}; grant insert on closed.t to ${owner.name};`,
  );
  assert.equal((await grants('making')).hint, `grant create on schema public to ${owner.name};`);
  await db.query(`grant insert (n) on granted to ${owner.name}`);
  assert.equal((await grants('granted')).ok, true);
});

test('a check and a preview count what is hidden, excluded, archived and empty', async () => {
  const store = world.server.store;
  const archived = { headers: { 'x-amz-storage-class': 'DEEP_ARCHIVE' } };
  store.put(world.bucket, 'seen/a.csv', 'n\n1\n', archived);
  store.put(world.bucket, 'seen/b.csv', 'n\n1\n', { headers: { 'x-amz-storage-class': 'GLACIER_IR' } });
  for (const key of ['c.csv', 'd.csv']) world.put(`seen/${key}`, '');
  for (const key of ['_tmp/e.csv', '_f.csv', '.g.csv', 'x/h.csv', 'other.txt'])
    world.put(`seen/${key}`, 'n\n1\n');
  world.put('seen/folder/', '');
  await insert({ name: 'seen', pattern: 'seen/**/*.csv', target_table: 'seen', exclude: ['seen/x/*'] });
  const counts =
    'of the keys listed, 3 hidden (a part of the key begins with _ or a dot), 1 left out by exclude, 1 archived, 2 empty';
  const { list, get } = await check('seen');
  assert.equal(list!.message, `4 of the first 10 keys match seen/**/*.csv; ${counts}`);
  assert.match(get!.message, /seen\/b\.csv/, 'an archived object is no sample');
  const { notices } = await call(db, "call s3_connector.preview('seen')");
  assert.deepEqual(
    notices.map(({ message }) => message),
    ['4 matching keys, which are all; 10 keys listed', counts],
  );
  assert.deepEqual(
    (
      await db.query("select key from s3_connector.preview_files where connector_name = 'seen' order by key")
    ).map(({ key }) => key),
    ['seen/a.csv', 'seen/b.csv', 'seen/c.csv', 'seen/d.csv'],
  );
});
