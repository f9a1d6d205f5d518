import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import type { FaultOrder } from '../../embedded/bucket/faults.ts';
import * as listings from '../../embedded/bucket/listing_faults.ts';
import { startBucketServer } from '../../embedded/bucket/server.ts';
import type { ServerCase } from '../../src/conformance/server_case.ts';
import { type Result, SERVER_CASES, verdictOn } from '../../src/conformance/verdict.ts';
import { openTrial } from './open_trial.ts';
import { clientOf } from './target.ts';

// Each server case fails on a server that does otherwise. On one that does as it should, conformance.test.ts runs them.

const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' };
const server = await startBucketServer({ credentials: [credentials] });
const target = { endpoint: server.endpoint, region: 'us-east-1', credentials, close: () => server.close() };
const client = clientOf(target);
server.store.createBucket('cases');
const { trial, close } = openTrial({ target, client }, 'cases');
after(async () => {
  close();
  client.destroy();
  await server.close();
});

const list = (listing: NonNullable<FaultOrder['listing']>): FaultOrder => ({
  operation: 'ListObjectsV2',
  listing,
  times: Number.POSITIVE_INFINITY,
});
const get = (order: FaultOrder): FaultOrder => ({ operation: 'GetObject', times: 100, ...order });

const DEVIATIONS: [name: RegExp, order: FaultOrder, says: RegExp][] = [
  [/order of their UTF-8 bytes/, list(listings.unsorted), /one page has the keys: /],
  [/order of their UTF-8 bytes/, list(listings.leadingBack), /the pages of a listing do not end/],
  [/order of their UTF-8 bytes/, list(listings.droppingPages), /pages of 3 have the keys: /],
  [/above U\+FFFF/, list(listings.byUtf16Units), /a page has the keys: /],
  [/starts after any key/, list(listings.ignoringStartAfter), /after 0, the keys are|after 3, the keys are/],
  [/with a delimiter/, list(listings.endingEarly), /all pages have: /],
  [/start-after is right where/, list(listings.countingSiblings), /after dev\/pump\/1, the pages have: /],
  [/connector finds every key/, list(listings.endingEarly), /after dev\/pump\/1, it lists: /],
  [/LIST, HEAD and GET/, get({ etag: '"other"' }), /fetched with "other"/],
  [/LIST, HEAD and GET/, get({ etag: null }), /no ETag/],
  [/part of an object/, get({ ignoreRange: true }), /asked for bytes=3-/],
  [/range behind the end/, get({ ignoreRange: true }), /it answers: 200 instead of 416/],
  [/another version/, get({ ignoreConditions: true }), /ignores If-Match/],
  [
    /key that does not exist/,
    get({ error: { status: 403, code: 'AccessDenied' } }),
    /GET with: 403 instead of 404/,
  ],
  [/large object/, get({ error: { status: 501, code: 'NotImplemented' } }), /NotImplemented/],
];

for (const [index, [name, order, says]] of DEVIATIONS.entries()) {
  const one = SERVER_CASES.find((found) => name.test(found.name))!;
  test(`${one.name}: not so if ${JSON.stringify(order)} ${order.listing?.name ?? ''}`, async () => {
    server.faults.order(order);
    try {
      await assert.rejects(one.run(trial.within(String(index))), says);
    } finally {
      server.faults.clear();
    }
  });
}

test('everything that the cases wrote is deleted', async () => {
  assert.ok(server.store.keys('cases').length > 0);
  assert.deepEqual(await trial.clean(), []);
  assert.deepEqual(server.store.keys('cases'), []);
});

test('the verdict is unfit without what is required, and names what else fails', () => {
  const result = (level: ServerCase['level'], name: string, deviation: string | null): Result => ({
    case: { name, level, reliedOn: '', otherwise: '', run: async () => {} },
    deviation,
  });
  assert.deepEqual(verdictOn([result('required', 'a', null), result('wanted', 'b', null)]), {
    isFit: true,
    text: 'fit',
  });
  assert.deepEqual(verdictOn([result('required', 'a', null), result('wanted', 'b', 'x')]), {
    isFit: true,
    text: 'fit, but this fails: b',
  });
  assert.deepEqual(verdictOn([result('required', 'a', 'x'), result('wanted', 'b', 'x')]), {
    isFit: false,
    text: 'unfit, because this fails: a',
  });
});
