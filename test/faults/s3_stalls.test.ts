import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { after, beforeEach, test } from 'node:test';
import { type ConnectorColumns, NEVER_AGAIN, openWorld } from '../support/world.ts';

// An S3 that stalls: every wait ends, on connecting, during a transfer, and in total.

const world = await openWorld();
const { db, server } = world;
const unresponsive = await startUnresponsiveServer();
const ENV = {
  S3_ALLOWED_ENDPOINTS: `${server.endpoint},${unresponsive}`,
  S3_CONNECT_TIMEOUT_SECONDS: '1',
  S3_IDLE_TIMEOUT_SECONDS: '1',
};
const worker = await world.startWorker(ENV);
beforeEach(async () => {
  // Ends an outage that an earlier test has caused.
  await db.query("select s3_connector.pause(name) from s3_connector.connectors where state = 'running'");
  server.faults.clear();
  server.requests.reset();
});

const insert = (columns: ConnectorColumns) => world.insertConnector({ schedule: NEVER_AGAIN, ...columns });
const csv = (rows: number) => `n\n${Array.from({ length: rows }, (_, n) => n).join('\n')}\n`;
const FOR_EVER = 3_600_000;

async function pollFails(name: string): Promise<string> {
  const [poll] = await db.waitFor<{ error: string }>(
    'select error from s3_connector.polls where connector_name = $1 and error is not null',
    ([found]) => found !== undefined,
    { values: [name] },
  );
  return poll!.error;
}

test('a body that stalls is resumed where it stopped', async () => {
  const body = csv(200_000);
  world.put('body/1.csv', body);
  const stall = server.faults.order({ operation: 'GetObject', key: 'body/1.csv', stall: { after: 600_000 } });
  await insert({ name: 'body', pattern: 'body/*', target_table: 'body' });
  const [file] = await world.settled('body');
  assert.equal(stall.hits, 1);
  assert.deepEqual(
    [file!.status, file!.attempts, file!.rows_imported],
    ['success', 1, 200_000],
    file!.error_message ?? '',
  );
  const ranges = server.requests.recent
    .filter(({ operation }) => operation === 'GetObject')
    .map(({ headers }) => headers.range);
  const [, from] = /^bytes=(\d+)-$/.exec(ranges[1] ?? '') ?? [];
  // On a busy machine the rest may stall, too.
  assert.ok(ranges.length >= 2);
  assert.equal(ranges[0], undefined);
  assert.ok(Number(from) > 300_000 && Number(from) <= 600_000, ranges[1]);
});

test('a request without an answer is repeated', async () => {
  world.put('silent/1.csv', csv(3));
  server.faults.order({ operation: 'ListObjectsV2', delay: FOR_EVER });
  server.faults.order({ operation: 'GetObject', delay: FOR_EVER });
  await insert({ name: 'silent', pattern: 'silent/*', target_table: 'silent' });
  const [file] = await world.settled('silent');
  assert.deepEqual([file!.status, file!.attempts], ['success', 1], file!.error_message ?? '');
  // The import that makes the table lists once more, for its sample.
  const [lists, gets] = [server.requests.count('ListObjectsV2'), server.requests.count('GetObject')];
  // On a busy machine another answer may come too late, too.
  assert.ok(lists >= 3 && gets >= 2, `${lists} and ${gets} requests`);
});

test('a listing that stalls in its middle is repeated, a few times', async () => {
  world.put('half/1.csv', csv(3));
  server.faults.order({ operation: 'ListObjectsV2', stall: { after: 100 }, times: 9 });
  await insert({ name: 'half', pattern: 'half/*', target_table: 'half' });
  assert.match(await pollFails('half'), /S3 did not answer as expected/);
  const asked = server.requests.count('ListObjectsV2');
  // As often for the page as for the request whether the bucket answers at all.
  assert.ok(asked >= 2 && asked <= 2 * 4, `${asked} requests`);
  server.faults.clear();
  assert.equal((await world.pollAndSettle('half'))[0]!.status, 'success');
});

test('a listing that arrives a byte at a time ends, and is not repeated at once', async () => {
  server.faults.order({ operation: 'ListObjectsV2', trickle: { ms: 100 }, times: 9 });
  await insert({ name: 'drop by drop', pattern: 'drops/*', target_table: 'drops' });
  await pollFails('drop by drop');
  // And once for a single key: neither arrives in time.
  assert.equal(server.requests.count('ListObjectsV2'), 2);
});

test('a connection attempt that never completes times out', async () => {
  await insert({ name: 'unresponsive', endpoint: unresponsive, pattern: '*', target_table: 'unresponsive' });
  assert.match(await pollFails('unresponsive'), /TimeoutError|ETIMEDOUT/);
});

test('an object that is too slow to finish in time fails, small or large', async () => {
  await worker.end('SIGTERM');
  await world.startWorker({ ...ENV, S3_FETCH_TIMEOUT_SECONDS: '2' });
  world.put('slow/small.csv', csv(1000));
  world.put('slow/large.csv', csv(200_000));
  server.faults.order({ operation: 'GetObject', key: /^slow/, trickle: { ms: 100 }, times: 9 });
  await insert({
    name: 'slow',
    pattern: 'slow/*',
    target_table: 'slow',
    max_attempts: 1,
  });
  const files = await world.settled('slow');
  assert.deepEqual(
    files.map(({ status, error_code }) => [status, error_code]),
    [
      ['failure', 'fetch_timeout'],
      ['failure', 'fetch_timeout'],
    ],
    files[0]!.error_message ?? '',
  );
  assert.match(files[0]!.error_message!, /within 2 seconds.*S3_FETCH_TIMEOUT_SECONDS/);
  assert.equal(server.requests.count('GetObject'), 2);
  await world.spoolEmptied();
});

/** A listening port whose backlog is full, because its process is stopped: further connections hang. */
async function startUnresponsiveServer(): Promise<string> {
  const child: ChildProcess = spawn(
    process.execPath,
    [
      '-e',
      "require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () { console.log(this.address().port) })",
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  const [line] = await once(child.stdout!, 'data');
  const port = Number(line);
  child.kill('SIGSTOP');
  const waiting: Socket[] = [];
  after(() => {
    for (const socket of waiting) socket.destroy();
    child.kill('SIGKILL');
  });
  // More than the backlog holds.
  for (let n = 0; n < 8; n++) waiting.push(connect(port, '127.0.0.1').on('error', () => {}));
  return `http://127.0.0.1:${port}`;
}
