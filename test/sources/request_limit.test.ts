import assert from 'node:assert/strict';
import { createHook } from 'node:async_hooks';
import { getEventListeners } from 'node:events';
import { after, beforeEach, test } from 'node:test';
import type { FaultOrder } from '../../embedded/bucket/faults.ts';
import { startBucketServer } from '../../embedded/bucket/server.ts';
import { S3Sources } from '../../src/sources/s3.ts';

// The limit of a request for a list or a head: it ends a slow answer, and is gone with its request.

const server = await startBucketServer();
server.store.createBucket('limits');
server.store.put('limits', 'a.csv', 'n\n1\n');
after(() => server.close());
beforeEach(() => server.faults.clear());

const sources: S3Sources[] = [];
after(() => {
  for (const one of sources) one.close();
});

/** Opens the bucket. A request may take four times both limits, in milliseconds. */
function open({ connectMs = 5000, idleMs = 5000 } = {}) {
  const timeouts = { connectMs, idleMs, fetchMs: 60_000 };
  const allowedEndpoints = [server.endpoint];
  const opened = new S3Sources({ allowedEndpoints, externalId: null, proxyEnv: null, timeouts });
  sources.push(opened);
  return opened.open({
    name: 'limits',
    bucket: 'limits',
    region: 'us-east-1',
    endpoint: server.endpoint,
    auth_method: 'anonymous',
    role_arn: null,
  });
}

/** Returns how many of the timers that the work has started are left. Also those that do not keep the process running. */
async function timersLeftBy(work: () => Promise<unknown>): Promise<number> {
  const left = new Set<number>();
  const hook = createHook({
    init: (id, type) => type === 'Timeout' && left.add(id),
    destroy: (id) => left.delete(id),
  }).enable();
  try {
    await work();
    // The hook hears of cleared timers a turn later.
    await new Promise(setImmediate);
    return left.size;
  } finally {
    hook.disable();
  }
}

const REQUESTS = 30;
/** Of the connection that is kept open, and of the server. */
const OTHER_TIMERS = 5;

for (const [what, signal] of [
  ['without a signal', undefined],
  ["with the caller's signal", new AbortController().signal],
] as const) {
  test(`requests ${what} leave no timers`, async () => {
    const source = open();
    const left = await timersLeftBy(async () => {
      for (let request = 0; request < REQUESTS; request += 2) {
        await source.probe({ prefix: '', delimiter: undefined, signal });
        await source.head('a.csv', signal ? { signal } : {});
      }
    });
    assert.ok(left <= OTHER_TIMERS, `${left} timers are left after ${REQUESTS} requests`);
    if (signal) assert.deepEqual(getEventListeners(signal, 'abort'), []);
  });

  test(`failed requests ${what} leave no timers`, async () => {
    const source = open();
    server.faults.order({ error: { status: 403, code: 'AccessDenied' }, times: REQUESTS });
    const left = await timersLeftBy(async () => {
      for (let request = 0; request < REQUESTS; request += 1)
        await assert.rejects(source.probe({ prefix: '', delimiter: undefined, signal }));
    });
    assert.ok(left <= OTHER_TIMERS, `${left} timers are left after ${REQUESTS} requests`);
  });
}

const SLOWLY: FaultOrder = { operation: 'ListObjectsV2', trickle: { ms: 20 }, times: 9 };
const ABORTED = {
  code: 'source_unavailable',
  passing: true,
  message: 'S3 did not answer as expected for bucket limits (listing all keys): AbortError: Request aborted',
};

test('the limit ends a request whose answer takes too long', async () => {
  server.faults.order(SLOWLY);
  await assert.rejects(
    open({ connectMs: 1, idleMs: 500 }).probe({ prefix: '', delimiter: undefined }),
    ABORTED,
  );
});

test('the caller ends a request before its limit', async () => {
  const slow = server.faults.order(SLOWLY);
  const stop = new AbortController();
  void slow.hit().then(() => stop.abort());
  await assert.rejects(open().probe({ prefix: '', delimiter: undefined, signal: stop.signal }), ABORTED);
});

test('a request whose caller has stopped already is not sent', async () => {
  server.requests.reset();
  const signal = AbortSignal.abort();
  await assert.rejects(open().probe({ prefix: '', delimiter: undefined, signal }), ABORTED);
  assert.equal(server.requests.count('ListObjectsV2'), 0);
});
