import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { makeFiles } from '../../bench/scale/data.ts';
import { openConsoleDatabase } from '../../console/database.ts';
import { FILES_PER_PAGE, type FileSearch, filesQuery, findFiles } from '../../console/pages/files.ts';
import { testDatabase } from '../support/database.ts';
import { Planner } from '../support/plans.ts';
import { getPage, openConsole, shows } from './support.ts';

const FILES = 100_000;
const NAME = 'connector 1';
const testDb = await testDatabase();
const console = await openConsole(testDb.url);
const db = openConsoleDatabase(testDb.url);
let planner: Planner | undefined;
let keys: string[];

before(async () => {
  const client = new pg.Client({ connectionString: testDb.superuserUrl });
  await client.connect();
  await client.query('select s3_connector_private.pause_if_copied()');
  await makeFiles(client, { connectors: 60, big: FILES, small: 50 });
  await client.query('select s3_connector_private.count_totals()');
  await client.query('vacuum analyze');
  await client.end();
  planner = await Planner.open(testDb.superuserUrl);
  keys = (
    await testDb.query<{ key: string }>(
      'select key from s3_connector.files where connector_name = $1 order by key desc',
      [NAME],
    )
  ).map(({ key }) => key);
});
after(async () => {
  await planner?.close();
  await db.close();
});

const keysOf = async (search: Omit<FileSearch, 'name'>) => {
  const page = await findFiles(db, { name: NAME, ...search });
  return { ...page, keys: page.files.map(({ key }) => key) };
};

test('paging forward and back neither loses nor repeats a file', async () => {
  const first = await keysOf({});
  assert.deepEqual(first.keys, keys.slice(0, FILES_PER_PAGE));
  assert.equal(first.above, undefined);
  const second = await keysOf({ below: first.below });
  assert.deepEqual(second.keys, keys.slice(FILES_PER_PAGE, 2 * FILES_PER_PAGE));
  const back = await keysOf({ above: second.above });
  // A running file takes longer each time.
  const places = ({ keys: found, below, above }: typeof first) => ({ found, below, above });
  assert.deepEqual(places(back), places(first));
  const last = await keysOf({ below: keys.at(-11)! });
  assert.deepEqual(last.keys, keys.slice(-10));
  assert.equal(last.below, undefined);
  assert.deepEqual((await keysOf({ above: last.above })).keys, keys.slice(-10 - FILES_PER_PAGE, -10));
});

test('a part of a name is found; without a trigram index, all files are searched', async () => {
  const some = keys[5000]!.slice(-12);
  assert.deepEqual((await keysOf({ search: some })).keys, [keys[5000]]);
});

test('a page is found by an index, at every position, by status and by prefix', async () => {
  const deep = keys[90_000]!;
  const searches: Record<string, Omit<FileSearch, 'name'>> = {
    first: {},
    deep: { below: deep },
    back: { above: deep },
    failed: { status: 'failure' },
    waiting: { status: 'in_queue' },
    succeeded: { status: 'success', below: deep },
    newest: { order: 'time' },
    newestFailed: { order: 'time', status: 'failure' },
    prefix: { search: 'data/1/2030/*' },
  };
  for (const [name, search] of Object.entries(searches)) {
    const { text, values } = filesQuery({ name: NAME, ...search });
    const found = await planner!.scans('files', text, [...values]);
    assert.notEqual(found.length, 0, name);
    assert.deepEqual(
      found.filter(({ by }) => by === 'seq'),
      [],
      name,
    );
  }
});

test('the overview shows 50 connectors a page, and how many there are', async () => {
  const names = (text: string) => [...text.matchAll(/<tr id="connector:([^"]+)"/g)].map(([, name]) => name!);
  const first = (await getPage(console, '/')).text;
  shows(first, /1–50 of 60/);
  const [, address] = /rel="next" href="([^"]+)"/.exec(first)!;
  const next = (await getPage(console, address!)).text;
  shows(next, /51–60 of 60/);
  assert.equal(new Set([...names(first), ...names(next)]).size, 60);
  assert.ok(first.length < 150_000, `${first.length} characters`);
});

test('the pages of a connector with 100,000 files are small, and show the number of files', async () => {
  const { text } = await getPage(console, `/connector?${new URLSearchParams({ name: NAME })}`);
  shows(text, /\d\d,\d{3} success/);
  assert.equal(text.match(/<tr id="file:/g)!.length, FILES_PER_PAGE);
  assert.ok(text.length < 150_000, `${text.length} characters`);
});
