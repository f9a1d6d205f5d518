import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { makeFiles, waitingFile } from '../../bench/scale/data.ts';
import { type ScaleQuery, scaleQueries } from '../../bench/scale/queries.ts';
import { testDatabase } from '../support/database.ts';
import { Planner } from '../support/plans.ts';

// The queries of `npm run bench -- scale`, which measures them; this test only checks how they read files.
const db = await testDatabase();
let planner: Planner;
let queries: ScaleQuery[];

before(async () => {
  const client = new pg.Client({ connectionString: db.superuserUrl });
  await client.connect();
  // Files without triggers look like those of a copy, unless the database is known before.
  await client.query('select s3_connector_private.pause_if_copied()');
  await makeFiles(client, { connectors: 300, big: 30_000, small: 200 });
  await client.query('select s3_connector_private.count_totals()');
  await client.query('vacuum analyze');
  queries = scaleQueries(await waitingFile(client));
  await client.end();
  planner = await Planner.open(db.superuserUrl);
});
after(() => planner.close());

test('the test sees a scan of files, also inside a function', async () => {
  assert.deepEqual(
    (await planner.scans('files', 'select * from s3_connector_private.wrong_totals()')).map(({ by }) => by),
    ['seq'],
  );
});

test('no query for monitoring, polling or importing scans files', async () => {
  const scans: unknown[] = [];
  for (const { name, text, values, before: first } of queries) {
    // Often enough for the plans of functions to become generic ones.
    for (let time = 0; time < 7; time++) {
      const found = await planner.scans('files', text, values, first);
      scans.push(
        ...found.filter(({ by }) => by === 'seq').map(({ statement }) => ({ name, time, statement })),
      );
    }
  }
  assert.deepEqual(scans, []);
});

test('no query for polling or importing is compiled by LLVM', async () => {
  const compiled: unknown[] = [];
  for (const { name, text, values, before: first } of queries)
    for (const statement of await planner.compiled(text, values, first)) compiled.push({ name, statement });
  assert.deepEqual(compiled, []);
});

test('a search by name over all connectors uses its own index', async () => {
  // PostgreSQL 18 could also skip through the index by connector, with one lookup per connector.
  const found = await planner.scans(
    'files',
    "select from s3_connector.files where key like 'data/77/2020/01/1%'",
  );
  assert.deepEqual(
    found.map(({ by }) => by),
    ['files_key_idx'],
  );
});

test('the totals of files that were inserted without triggers are right once counted', async () => {
  assert.deepEqual(await db.query('select * from s3_connector_private.wrong_totals()'), []);
  assert.equal(
    (await db.one<{ n: number }>('select count(*) as n from s3_connector.connector_status')).n,
    300,
  );
});
