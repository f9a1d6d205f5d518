import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { listPage } from '../../embedded/bucket/listing.ts';
import * as faults from '../../embedded/bucket/listing_faults.ts';
import { ConnectorError } from '../../src/errors.ts';
import { compareKeys } from '../../src/keys.ts';
import { isAmazon } from '../../src/sources/s3_clients.ts';
import type { S3Page } from '../../src/sources/s3_listing.ts';
import { type ListRequest, listPages } from '../../src/sources/s3_walk.ts';
import type { ListOptions } from '../../src/sources/source.ts';

// The listing of a source, for servers that are correct, that behave as MinIO, and that give false answers.

const object = (key: string) => ({ key, etag: '"e"', sizeBytes: 1, lastModified: new Date(0) });

/** A server of these keys whose pages a lister creates; `requests` counts them. */
function server(keys: readonly string[], pageSize: number, lister: (request: ListRequest) => faults.Lister) {
  const sorted = [...new Set(keys)].sort(compareKeys);
  const state = { requests: 0 };
  const ask = async (request: ListRequest): Promise<S3Page> => {
    state.requests += 1;
    assert.ok(state.requests < 5000, 'the listing does not end');
    const { prefix, delimiter = '', startAfter = '', token, maxKeys = pageSize } = request;
    const page = lister(request)(sorted, {
      prefix,
      delimiter,
      after: token ?? startAfter,
      byToken: token !== undefined,
      maxKeys: Math.min(maxKeys, pageSize),
    });
    return { objects: page.keys.map(object), folders: page.commonPrefixes, next: page.next };
  };
  return { ask, sorted, state };
}

async function listAll(
  { ask, state }: ReturnType<typeof server>,
  options: ListOptions,
  aroundCrowds: boolean,
): Promise<string[]> {
  const keys: string[] = [];
  let requests = 0;
  for await (const page of listPages(ask, options, { aroundCrowds })) {
    keys.push(...page.objects.map(({ key }) => key));
    requests += page.requests;
  }
  assert.equal(requests, state.requests);
  return keys;
}

function truth(sorted: readonly string[], { prefix, delimiter, startAfter }: ListOptions): string[] {
  return sorted.filter(
    (key) =>
      key.startsWith(prefix) &&
      (startAfter === null || compareKeys(key, startAfter) > 0) &&
      (delimiter === undefined || !key.includes(delimiter, prefix.length)),
  );
}

/** Folders with siblings whose names continue with characters before and after the slash. */
const folder = fc.constantFrom('a', 'a-', 'a-b', 'a.', 'a0', 'a!', 'b', 'é', '\u{1f600}', '\uff5e');
const key = fc
  .tuple(fc.array(folder, { minLength: 1, maxLength: 3 }), fc.nat({ max: 12 }))
  .map(([folders, n]) => [...folders, String(n).padStart(2, '0')].join('/'));
const bucket = fc.record({
  keys: fc.uniqueArray(key, { minLength: 1, maxLength: 120, size: 'max' }),
  pageSize: fc.integer({ min: 1, max: 5 }),
  prefix: fc.constantFrom('', 'a', 'a/', 'a/a', 'a/a/'),
  delimiter: fc.constantFrom(undefined, undefined, '/'),
  startAfter: fc.oneof(fc.constant(null), key, folder),
});

test('a listing is complete and in order, even if the server counts siblings as MinIO does', async () => {
  let wrong = 0;
  await fc.assert(
    fc.asyncProperty(bucket, async ({ keys, pageSize, ...options }) => {
      const minio = () => server(keys, pageSize, () => faults.countingSiblings);
      const expected = truth(minio().sorted, options);
      assert.deepEqual(await listAll(minio(), options, true), expected);
      const plain = await listAll(minio(), options, false).catch(() => []);
      if (plain.length < expected.length) wrong += 1;
    }),
    { numRuns: 400, seed: 11 },
  );
  assert.ok(wrong > 20, `a plain listing was wrong ${wrong} times`);
});

test('a correct server is listed the same with and without the handling of counted siblings', async () => {
  await fc.assert(
    fc.asyncProperty(bucket, async ({ keys, pageSize, ...options }) => {
      const right = () => server(keys, pageSize, () => listPage);
      const expected = truth(right().sorted, options);
      assert.deepEqual(await listAll(right(), options, false), expected);
      assert.deepEqual(await listAll(right(), options, true), expected);
    }),
    { numRuns: 200, seed: 12 },
  );
});

test('a listing that knows how another one ended is complete if it shows any other end', async () => {
  const outcomes = { saved: 0, sameEnd: 0 };
  const numbered = (folder: string, to: number, from = 0) =>
    Array.from({ length: to - from }, (_, n) => `${folder}/${String(from + n).padStart(2, '0')}`);
  const between = fc.record({
    pageSize: fc.integer({ min: 2, max: 40 }),
    before: fc.nat({ max: 3 }),
    later: fc.nat({ max: 2 }),
    crowd: fc.nat({ max: 60 }),
    added: fc.nat({ max: 5 }),
    addedLater: fc.nat({ max: 2 }),
  });
  await fc.assert(
    fc.asyncProperty(between, async ({ pageSize, before, later, crowd, added, addedLater }) => {
      const minio = (...keys: string[][]) => server(keys.flat(), pageSize, () => faults.countingSiblings);
      const options = { prefix: '', delimiter: undefined, startAfter: 'a/10' };
      const first = [numbered('a', 20), numbered('b', later), numbered('Z', before)];
      const pages = await Array.fromAsync(listPages(minio(...first).ask, options, { aroundCrowds: true }));
      const { lastKey: lastName, uncrowded } = pages.at(-1)!;
      const ending = { lastName: lastName!, uncrowded: uncrowded! };
      const asking = minio(...first);
      const same = minio(...first);
      assert.deepEqual(
        await listAll(same, { ...options, ending }, true),
        await listAll(asking, options, true),
      );
      const saved = asking.state.requests - same.state.requests;
      assert.equal(saved, pages.length === 1 ? 1 : 0);
      outcomes.saved += saved;

      const now = minio(
        ...first,
        numbered('a-b', crowd),
        numbered('a', 20 + added, 20),
        numbered('b', later + addedLater, later),
      );
      const listed = await listAll(now, { ...options, ending }, true);
      if (listed.length === truth(now.sorted, options).length) return;
      // No name is new in it, so no position moves past the keys that it lacks.
      assert.equal(listed.at(-1), lastName);
      assert.equal(now.state.requests, 1);
      outcomes.sameEnd += 1;
    }),
    { numRuns: 1000, seed: 15 },
  );
  assert.ok(outcomes.saved > 100 && outcomes.sameEnd > 0, JSON.stringify(outcomes));
});

/** False answers that omit keys without a trace: each could be the true answer of another bucket. */
const OMISSIONS: faults.Lister[] = [faults.droppingPages, faults.endingEarly, faults.byUtf16Units];
const LIES: faults.Lister[] = [
  ...OMISSIONS,
  faults.unsorted,
  faults.ignoringStartAfter,
  faults.leadingBack,
  faults.emptyPage,
  faults.countingSiblings,
];

test('with any false answer, a listing fails or keeps its order, and misses only keys that no answer shows', async () => {
  const outcomes = { whole: 0, failed: 0, missed: 0 };
  const lies = fc.array(fc.tuple(fc.nat({ max: 3 }), fc.constantFrom(...LIES)), {
    minLength: 1,
    maxLength: 4,
  });
  await fc.assert(
    fc.asyncProperty(
      bucket,
      lies,
      fc.boolean(),
      async ({ keys, pageSize, ...options }, told, aroundCrowds) => {
        const queue = told.flatMap(([truths, lie]) => [...Array<faults.Lister>(truths).fill(listPage), lie]);
        const used = new Set<faults.Lister>();
        const liar = server(keys, pageSize, () => {
          const lister = queue.shift() ?? listPage;
          used.add(lister);
          return lister;
        });
        const expected = truth(liar.sorted, options);
        try {
          const got = await listAll(liar, options, aroundCrowds);
          assert.deepEqual(
            got.filter((one) => expected.includes(one)),
            expected.filter((one) => got.includes(one)),
          );
          const missed = expected.filter((one) => !got.includes(one));
          const mayMiss = [...OMISSIONS, ...(aroundCrowds ? [] : [faults.countingSiblings])];
          if (missed.length > 0) assert.ok(mayMiss.some((lie) => used.has(lie)));
          outcomes[missed.length > 0 ? 'missed' : 'whole'] += 1;
        } catch (error) {
          if (!(error instanceof ConnectorError)) throw error;
          assert.match(error.code, /^list_(out_of_order|goes_round)$/);
          outcomes.failed += 1;
        }
      },
    ),
    { numRuns: 1000, seed: 13 },
  );
  assert.ok(outcomes.failed > 50 && outcomes.missed > 50, JSON.stringify(outcomes));
});

const KEYS = Array.from({ length: 25 }, (_, n) => `k/${String(n).padStart(2, '0')}`);
const WIDE = [...KEYS, 'k/\u{1f600}', 'k/\uff5e'];
const always = (lister: faults.Lister) => () => lister;
const ofTokens = (lister: faults.Lister) => (request: ListRequest) =>
  request.token === undefined ? listPage : lister;

for (const [what, keys, lister, startAfter, code, says] of [
  [
    'sorts by UTF-16',
    WIDE,
    always(faults.byUtf16Units),
    'k/23',
    'list_out_of_order',
    /UTF-16.*"k\/\uff5e" after "k\/\u{1f600}"/u,
  ],
  ['does not sort', KEYS, always(faults.unsorted), null, 'list_out_of_order', /lists "k\/04" after "k\/05"/],
  [
    'ignores start-after',
    KEYS,
    always(faults.ignoringStartAfter),
    'k/07',
    'list_out_of_order',
    /after "k\/07", it lists "k\/00"/,
  ],
  [
    'ignores the prefix',
    [...KEYS, 'z/1'],
    always((all, options) => listPage(all, { ...options, prefix: 'z/' })),
    null,
    'list_out_of_order',
    /begin with "k\/", it lists "z\/1"/,
  ],
  [
    'has tokens that lead back',
    KEYS,
    ofTokens(faults.leadingBack),
    null,
    'list_goes_round',
    /"k\/00" after "k\/09"/,
  ],
  [
    'answers a token with the same page',
    KEYS,
    always((all, options) => listPage(all, { ...options, after: '' })),
    null,
    'list_goes_round',
    /leads back/,
  ],
  [
    'gives the same token for empty pages',
    KEYS,
    ofTokens((_, { after }) => ({ keys: [], commonPrefixes: [], next: after })),
    null,
    'list_goes_round',
    /has the same token as its request/,
  ],
  [
    'has no end of empty pages',
    KEYS,
    always(faults.emptyPage),
    null,
    'list_goes_round',
    /1000 pages in a row/,
  ],
] as const) {
  test(`a server that ${what} fails the listing`, async () => {
    const lying = server(keys, 10, lister as () => faults.Lister);
    await assert.rejects(
      listAll(lying, { prefix: 'k/', delimiter: undefined, startAfter }, false),
      (error: ConnectorError) => error.code === code && !error.passing && says.test(error.message),
    );
  });
}

test('an empty page with a token does not end the listing', async () => {
  let asked = 0;
  const nowAndThen = server(KEYS, 10, () => (asked++ % 2 === 0 ? faults.emptyPage : listPage));
  const listed = await listAll(nowAndThen, { prefix: 'k/', delimiter: undefined, startAfter: null }, false);
  assert.deepEqual(listed, KEYS);
});

test('a folder that is listed again on the next page, or with start-after inside it, is not an error', async () => {
  const pages: S3Page[] = [
    { objects: [], folders: ['a/'], next: '1' },
    { objects: [], folders: ['a/'], next: '2' },
    { objects: [object('b')], folders: ['a/'], next: undefined },
  ];
  for (const startAfter of [null, 'a/7']) {
    const answers = pages.values();
    const ask = async () => answers.next().value!;
    const listing = listPages(ask, { prefix: '', delimiter: '/', startAfter }, { aroundCrowds: false });
    const listed = await Array.fromAsync(listing);
    assert.deepEqual(
      listed.map(({ lastKey }) => lastKey),
      startAfter === null ? ['a/', 'a/', 'b'] : [null, null, 'b'],
    );
  }
});

test("counted siblings are handled for every server but Amazon's own", () => {
  const endpoints = {
    'https://s3.eu-west-1.amazonaws.com': true,
    'https://bucket.vpce-1a2b-x.s3.us-east-1.vpce.amazonaws.com': true,
    'https://s3.cn-north-1.amazonaws.com.cn': true,
    'https://amazonaws.com.example.org': false,
    'http://minio:9000': false,
  };
  for (const [endpoint, expected] of Object.entries(endpoints))
    assert.equal(isAmazon({ endpoint }), expected, endpoint);
  assert.equal(isAmazon({ endpoint: null }), true);
  process.env.AWS_ENDPOINT_URL = 'http://minio:9000';
  try {
    assert.equal(isAmazon({ endpoint: null }), false);
  } finally {
    delete process.env.AWS_ENDPOINT_URL;
  }
});

test('keys are in the order of their UTF-8 bytes', () => {
  const text = fc.array(
    fc.constantFrom(
      'a',
      'b',
      '/',
      'é',
      '\ud7ff',
      '\ue000',
      '\uffee',
      '\uffff',
      '\u{10000}',
      '\u{1f600}',
      '\u{10ffff}',
    ),
    { maxLength: 6 },
  );
  fc.assert(
    fc.property(text, text, (a, b) => {
      const [left, right] = [a.join(''), b.join('')];
      const expected = Buffer.compare(Buffer.from(left), Buffer.from(right));
      assert.equal(Math.sign(compareKeys(left, right)), expected);
    }),
    { numRuns: 3000, seed: 14 },
  );
});
