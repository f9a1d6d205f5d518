import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPooler } from '../support/pooler.ts';
import { openWorld } from '../support/world.ts';
import { runCli } from './run_cli.ts';

const world = await openWorld();
const { db } = world;
const REMEDY = /Name the server's own host and port in DATABASE_URL, or those of a pooler in session mode/;

for (const places of [1, 2, 40]) {
  test(`doctor and the worker refuse a pooler in transaction mode, with ${places} connections`, async () => {
    const url = await openPooler(db.workerUrl, 'transaction', places);
    const { code, stdout } = await runCli(['doctor'], { DATABASE_URL: url, SPOOL_DIR: world.spoolDir });
    assert.equal(code, 1);
    assert.match(stdout, /^failed +connections +DATABASE_URL leads to a pooler in transaction/m);
    assert.match(stdout, REMEDY);
    const direct = { IMPORT_DATABASE_URL: db.importUrl };
    await assert.rejects(world.startWorker({ ...direct, DATABASE_URL: url }), REMEDY);
  });
}

test('a pooler in session mode with enough connections works', async () => {
  const urls = {
    DATABASE_URL: await openPooler(db.workerUrl, 'session', 40),
    IMPORT_DATABASE_URL: await openPooler(db.importUrl, 'session', 10),
  };
  const { stdout } = await runCli(['doctor'], { ...urls, SPOOL_DIR: world.spoolDir });
  assert.match(stdout, /^ok +connections +45 at once/m);
  const worker = await world.startWorker(urls);
  await db.query('create table pooled (n integer)');
  world.put('pooled/1.csv', 'n\n1\n');
  await world.insertConnector({ name: 'pooled', pattern: 'pooled/*', target_table: 'pooled' });
  const [file] = await world.settled('pooled');
  assert.equal(file!.status, 'success', file!.error_message ?? '');
  assert.equal((await worker.end('SIGTERM')).code, 0);
});

test('doctor and the worker count the connections of a pooler that has too few', async () => {
  const expected = /the worker needs 36 connections at once, of which 12 could be opened/;
  const checked = async () => {
    const url = await openPooler(db.workerUrl, 'session', 12);
    const env = { DATABASE_URL: url, IMPORT_DATABASE_URL: db.importUrl, SPOOL_DIR: world.spoolDir };
    const { code, stdout } = await runCli(['doctor'], env);
    assert.equal(code, 1);
    assert.match(stdout, expected);
    assert.match(stdout, /Raise the pooler's pool size/);
  };
  const started = async () => {
    const worker = world.spawnWorker({
      DATABASE_URL: await openPooler(db.workerUrl, 'session', 12),
      IMPORT_DATABASE_URL: db.importUrl,
    });
    const { error, code } = await worker.logged('not started yet, trying again');
    assert.match(String(error), expected);
    assert.equal(code, 'too_few_connections');
    await worker.end('SIGKILL');
  };
  await Promise.all([checked(), started()]);
});
