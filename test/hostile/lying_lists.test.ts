import assert from 'node:assert/strict';
import { before, beforeEach, test } from 'node:test';
import { listPage } from '../../embedded/bucket/listing.ts';
import * as faults from '../../embedded/bucket/listing_faults.ts';
import { withJobsDue } from '../faults/clock.ts';
import { call } from '../requests/support.ts';
import { pick, seeded } from '../support/random.ts';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

// False LIST answers: a connector that has lost keys must not report that it has caught up, unless every answer
// could be the true one of another bucket; then an audit names the keys.

const world = await openWorld();
const { db, server } = world;
before(() => world.startWorker());
beforeEach(() => server.faults.clear());

const ALWAYS = Number.POSITIVE_INFINITY;
const lie = (listing: faults.Lister, times = ALWAYS) =>
  server.faults.order({ operation: 'ListObjectsV2', listing, times });

const insert = (name: string, columns: Record<string, unknown> = {}) =>
  world.insertConnector({
    name,
    pattern: `${name}/**`,
    target_table: 'rows',
    schedule: NEVER_AGAIN,
    max_tracked_files: 5000,
    on_conflict: 'fail',
    ...columns,
  });

interface Poll {
  keys_listed: number;
  files_enqueued: number;
  list_requests: number;
  error_code: string | null;
  error: string | null;
}

/** Returns the poll of that number, once it has ended; 1 is the first. */
async function poll(name: string, number: number): Promise<Poll> {
  const polls = await db.waitFor<Poll>(
    'select * from s3_connector.polls where connector_name = $1 order by id',
    (rows) => rows.length >= number,
    { values: [name] },
  );
  return polls[number - 1]!;
}

const keysOf = async (name: string) =>
  (
    await db.query<{ key: string }>(
      `select key from s3_connector.files where connector_name = $1 order by key collate "C"`,
      [name],
    )
  ).map(({ key }) => key);

await db.query('create table rows (n integer)');

for (const [name, listing, start_after, code, says] of [
  ['utf16', faults.byUtf16Units, null, 'list_out_of_order', /UTF-16/],
  ['unsorted', faults.unsorted, null, 'list_out_of_order', /it lists ".*" after/],
  [
    'ignored',
    faults.ignoringStartAfter,
    'ignored/d0030',
    'list_out_of_order',
    /asked for keys after "ignored\/d0030"/,
  ],
  ['back', faults.leadingBack, null, 'list_goes_round', /leads back/],
] as const) {
  test(`a poll that gets the false listing ${name} fails as ${code}, and imports nothing`, async () => {
    for (let n = 0; n < 1100; n += 1) world.put(`${name}/d${String(n).padStart(4, '0')}`, '');
    for (const character of ['\uff5e', '\u{1f600}']) world.put(`${name}/c${character}`, '');
    lie(listing);
    await insert(name, { start_after });
    const failed = await poll(name, 1);
    assert.equal(failed.error_code, code);
    assert.match(failed.error!, says);
    assert.deepEqual(await keysOf(name), []);
    assert.ok(server.requests.count('ListObjectsV2') < 50);
    const status = await db.one<{ caught_up: boolean; marker: string | null }>(
      'select caught_up, marker, last_error from s3_connector.connector_status where name = $1',
      [name],
    );
    assert.deepEqual([status.caught_up, status.marker], [false, start_after]);
  });
}

test('siblings that the server counts before the marker hide no key', async () => {
  for (let n = 0; n < 1200; n += 1) world.put(`siblings/pump-old/${n}.log`, '');
  const first = ['siblings/pump/1.csv', 'siblings/pump/2.csv'];
  for (const key of first) world.put(key, '');
  lie(faults.countingSiblings);
  await insert('siblings', { pattern: 'siblings/**/*.csv' });
  await world.settled('siblings');
  assert.deepEqual(await keysOf('siblings'), first);
  const later = ['pump/3.csv', 'pump/4/5.csv', 'pump0.csv', 'pump1.csv', 'q/1.csv'].map(
    (key) => `siblings/${key}`,
  );
  for (const key of later) world.put(key, '');
  await world.pollAndSettle('siblings');
  assert.deepEqual(await keysOf('siblings'), [...first, ...later]);
  const { list_requests } = await poll('siblings', 2);
  assert.ok(list_requests <= 4, `${list_requests} requests`);
});

test('an empty page with a token does not end the listing', async () => {
  for (const n of [1, 2, 3]) world.put(`gap/${n}`, '');
  const fault = lie(faults.emptyPage, 3);
  await insert('gap');
  await world.settled('gap');
  assert.equal(fault.hits, 3);
  assert.deepEqual(await keysOf('gap'), ['gap/1', 'gap/2', 'gap/3']);
});

test('an audit names a key that a listing from the marker omits', async () => {
  for (const n of [1, 2, 3, 4]) world.put(`hidden/${n}`, '');
  lie((keys, options) =>
    listPage(
      keys.filter((key) => options.after === '' || !/[34]$/.test(key)),
      options,
    ),
  );
  await insert('hidden', { state: 'paused' });
  await db.query("select s3_connector.set_marker('hidden', 'hidden/2')");
  await db.query("select s3_connector.resume('hidden')");
  await world.settled('hidden');
  assert.deepEqual(await keysOf('hidden'), []);
  await assert.rejects(call(db, "call s3_connector.audit('hidden')"), (error: Error & { hint?: string }) => {
    assert.match(error.message, /leave keys out: hidden\/3 comes after the marker hidden\/2/);
    return true;
  });
});

/** Errors that are visible in an answer, or that a listing can correct. */
const VISIBLE: faults.Lister[] = [
  faults.unsorted,
  faults.ignoringStartAfter,
  faults.leadingBack,
  faults.emptyPage,
  faults.countingSiblings,
];
/** Errors that could be the true answer of another bucket: only another listing shows the omitted keys. */
const OMISSIONS: faults.Lister[] = [faults.droppingPages, faults.endingEarly, faults.byUtf16Units];
const POLLS_LIED_TO = 6;
const FOLDERS = ['a', 'a-b', 'a0', 'b', '\uff5e', '\u{1f600}'];

for (const [seed, lies, how] of [
  [1, VISIBLE, 'shown by its answers'],
  [2, VISIBLE, 'shown by its answers'],
  [3, VISIBLE, 'shown by its answers'],
  [4, VISIBLE, 'shown by its answers'],
  [5, [...VISIBLE, ...OMISSIONS], 'of every kind'],
  [6, [...VISIBLE, ...OMISSIONS], 'of every kind'],
  [7, [...VISIBLE, ...OMISSIONS], 'of every kind'],
] as const) {
  test(`no file is lost silently with a server that returns false listings ${how}, at random (seed ${seed})`, async () => {
    const random = seeded(seed);
    const name = `lies${seed}`;
    const keys = new Set<string>();
    while (keys.size < 60) keys.add(`${name}/${pick(random, FOLDERS)}/${pick(random, FOLDERS)}${random(4)}`);
    for (const key of keys) world.put(key, 'n\n1\n');
    const truth = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
    // Small pages, so that few keys fill many pages.
    lie((sorted, options) => {
      const lister = random(3) === 0 ? pick(random, lies) : listPage;
      return lister(sorted, { ...options, maxKeys: Math.min(options.maxKeys, 4) });
    });
    // Few places, so that many listings start in the middle.
    await insert(name, { max_tracked_files: 6 });
    for (let number = 1; number <= POLLS_LIED_TO; number += 1) {
      if (number > 1) await db.query('select s3_connector.poll_now($1)', [name]);
      const { error_code } = await poll(name, number);
      assert.match(error_code ?? 'list_', /^list_/);
    }
    server.faults.clear();
    // A poll that began before, for a free place, may still get a false answer.
    await db.waitFor('select from s3_connector_queue.jobs where key = $1', (jobs) => jobs.length === 0, {
      values: [`poll:${name}`],
    });
    // A recheck that was told lies tries again after a pause that grows.
    await withJobsDue(db, () => world.pollAndSettle(name));
    if (lies !== VISIBLE) {
      await call(db, `call s3_connector.audit('${name}')`);
      await db.query(`select s3_connector.import_late($1)`, [name]);
      await world.settled(name);
    }
    assert.deepEqual(await keysOf(name), truth);
    const imported = await db.one<{ files: number; rows: number }>(
      `select count(*)::integer as files, sum(rows_imported)::integer as rows
       from s3_connector.files where connector_name = $1 and status = 'success'`,
      [name],
    );
    assert.deepEqual(imported, { files: truth.length, rows: truth.length });
  });
}
