import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import fc from 'fast-check';
import { listPage } from '../../embedded/bucket/listing.ts';
import * as faults from '../../embedded/bucket/listing_faults.ts';
import { ConnectorError } from '../../src/errors.ts';
import { compareKeys } from '../../src/keys.ts';
import { guessBorder } from '../../src/sources/s3_borders.ts';
import type { S3Page } from '../../src/sources/s3_listing.ts';
import { listInOrder } from '../../src/sources/s3_ranges.ts';
import type { ListRequest } from '../../src/sources/s3_walk.ts';
import type { ListOptions, ListPage } from '../../src/sources/source.ts';
import { seeded } from '../support/random.ts';

// Listings whose ranges are listed side by side, against a model of the bucket.

const EVERYTHING = { pages: () => Number.POSITIVE_INFINITY };
const object = (key: string) => ({ key, etag: '"e"', sizeBytes: 1, lastModified: new Date(0) });

interface BucketOptions {
  pageSize: number;
  /** Answers come in an order of their own. */
  seed?: number;
  lister?: (request: ListRequest) => faults.Lister;
  /** Runs before each answer is made. */
  before?: (bucket: Bucket) => void;
}

class Bucket {
  readonly keys: Set<string>;
  readonly options: BucketOptions;
  requests = 0;
  /** Requests that are under way, and the most of them. */
  running = 0;
  mostRunning = 0;
  #sorted: string[] = [];
  readonly #random: (below: number) => number;

  constructor(keys: Iterable<string>, options: BucketOptions) {
    this.keys = new Set(keys);
    this.options = options;
    this.#random = seeded(options.seed ?? 1);
  }

  get sorted(): string[] {
    if (this.#sorted.length !== this.keys.size) this.#sorted = [...this.keys].sort(compareKeys);
    return this.#sorted;
  }

  readonly ask = async (request: ListRequest): Promise<S3Page> => {
    this.requests += 1;
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    const { pageSize, lister = () => listPage, before } = this.options;
    const turns = this.#random(4);
    for (let turn = 0; turn <= turns; turn += 1) await setImmediate();
    before?.(this);
    const { prefix, delimiter = '', startAfter = '', token, maxKeys = pageSize } = request;
    const page = lister(request)(this.sorted, {
      ...{ prefix, delimiter, after: token ?? startAfter, byToken: token !== undefined },
      maxKeys: Math.min(maxKeys, pageSize),
    });
    for (let turn = 0; turn <= turns; turn += 1) await setImmediate();
    this.running -= 1;
    return { objects: page.keys.map(object), folders: page.commonPrefixes, next: page.next };
  };

  list(options: Partial<ListOptions> = {}, aroundCrowds = false): AsyncGenerator<ListPage> {
    const all = { prefix: '', delimiter: undefined, startAfter: null, ahead: EVERYTHING, ...options };
    return listInOrder(this.ask, all, { aroundCrowds });
  }
}

async function keysOf(pages: AsyncIterable<ListPage>): Promise<string[]> {
  const keys: string[] = [];
  for await (const page of pages) {
    keys.push(...page.objects.map(({ key }) => key));
    if (keys.length > 0) assert.ok(page.lastKey !== null && compareKeys(page.lastKey, keys.at(-1)!) >= 0);
  }
  return keys;
}

function assertRising(keys: string[]): void {
  for (let n = 1; n < keys.length; n += 1)
    assert.ok(compareKeys(keys[n - 1]!, keys[n]!) < 0, `${keys[n - 1]} before ${keys[n]}`);
}

const numbers = (count: number) => Array.from({ length: count }, (_, n) => n);
const digits = (n: number, length: number) => String(n).padStart(length, '0');

/** Names of keys as they are in buckets. */
const DISTRIBUTIONS: Record<string, (count: number, random: (below: number) => number) => string[]> = {
  'numbers in one folder': (count) => numbers(count).map((n) => `data/sensor-${digits(n, 9)}.csv`),
  'numbers without zeros': (count) => numbers(count).map((n) => `data/file-${n}.csv`),
  'folders of numbers': (count) =>
    numbers(count).map((n) => `data/${digits(Math.floor(n / 97), 4)}/${digits(n, 8)}.csv`),
  'Hive dates': (count) =>
    numbers(count).map((n) => {
      const at = new Date(Date.UTC(2024, 0, 1) + Math.floor(n / 3) * 3_600_000).toISOString();
      const [year, month, day] = at.slice(0, 10).split('-');
      return `data/year=${year}/month=${month}/day=${day}/hour=${at.slice(11, 13)}/part-0000${n % 3}.parquet`;
    }),
  hashes: (count, random) =>
    numbers(count).map(
      () =>
        `data/${random(2 ** 30)
          .toString(16)
          .padStart(8, '0')}/x.csv`,
    ),
  words: (count, random) =>
    numbers(count).map(
      (n) =>
        `data/${numbers(6)
          .map(() => String.fromCharCode(97 + random(26)))
          .join('')}/${n}.csv`,
    ),
  'one prefix that nearly all share': (count, random) =>
    numbers(count).map((n) => (n < 20 ? `${random(10)}/${n}` : `${'long/'.repeat(30)}${digits(n, 7)}`)),
  'characters beyond the BMP': (count, random) =>
    numbers(count).map(
      (n) =>
        `data/${['a', '\u{1f600}', '\uff5e', '\u{10000}', 'é'][random(5)]}${digits(random(500), 3)}/${n}`,
    ),
};

for (const [name, make] of Object.entries(DISTRIBUTIONS)) {
  test(`each key is listed once, in order and side by side: ${name}`, async () => {
    for (const seed of [1, 2]) {
      const pageSize = 7;
      const bucket = new Bucket(make(6000, seeded(seed)), { pageSize, seed });
      const pages = await Array.fromAsync(bucket.list());
      assert.deepEqual(
        pages.flatMap(({ objects }) => objects.map(({ key }) => key)),
        bucket.sorted,
      );
      assert.equal(
        pages.reduce((sum, { requests }) => sum + requests, 0),
        bucket.requests,
      );
      // The keys, and for each range a page of which a part is listed again.
      const needed = Math.ceil(bucket.keys.size / pageSize);
      assert.ok(bucket.requests <= needed * 1.25 + 12, `${bucket.requests} requests for ${needed} pages`);
      assert.ok(bucket.mostRunning >= 4, `${bucket.mostRunning} requests side by side`);
    }
  });
}

test('while keys arrive and vanish, each key that is there throughout is listed once', async () => {
  const names = Object.keys(DISTRIBUTIONS);
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...names),
      fc.integer({ min: 4, max: 9 }),
      fc.nat({ max: 1e6 }),
      fc.boolean(),
      async (name, pageSize, seed, aroundCrowds) => {
        const random = seeded(seed);
        const all = DISTRIBUTIONS[name]!(1500, random);
        const stable = all.filter(() => random(4) > 0);
        const others = all.filter((key) => !stable.includes(key));
        const bucket = new Bucket(stable, {
          pageSize,
          seed,
          before: ({ keys }) => {
            const key = others[random(others.length)];
            if (key === undefined || random(3) > 0) return;
            if (!keys.delete(key)) keys.add(key);
            // Otherwise the same number of keys would look unchanged.
            else keys.add(others[random(others.length)]!).delete(key);
          },
        });
        const listed = await keysOf(bucket.list({}, aroundCrowds));
        assertRising(listed);
        const found = new Set(listed);
        assert.deepEqual(
          [...new Set(stable)].filter((key) => !found.has(key)),
          [],
        );
      },
    ),
    { numRuns: 20 },
  );
});

test('while keys arrive in ascending order at the end, a listing has all keys up to its last one', async () => {
  for (let seed = 1; seed <= 5; seed += 1) {
    const all = DISTRIBUTIONS['numbers in one folder']!(1500, seeded(1));
    let arrived = 400 + 50 * seed;
    const bucket = new Bucket(all.slice(0, arrived), {
      pageSize: 5,
      seed,
      before: ({ keys }) => {
        for (let n = 0; n < 1 + (seed % 6) && arrived < all.length; n += 1) keys.add(all[arrived++]!);
      },
    });
    const listed = await keysOf(bucket.list());
    assert.deepEqual(listed, all.slice(0, listed.length));
    assert.ok(listed.length >= 400 && bucket.mostRunning >= 3);
  }
});

test('where the server says that nothing follows, the listing ends, although a later range has newer keys', async () => {
  const all = DISTRIBUTIONS['numbers in one folder']!(600, seeded(1));
  // The first range ends among its keys. What follows arrives before the next range is listed.
  const earlier: faults.Lister = (sorted, options) => listPage(sorted.slice(0, 61), options);
  const seen: string[] = [];
  const bucket = new Bucket(all, {
    pageSize: 5,
    lister: ({ startAfter, token }) => {
      if (startAfter !== undefined) seen.push(startAfter);
      const isFirst = startAfter === undefined && (token === undefined || compareKeys(token, all[61]!) < 0);
      return isFirst ? earlier : listPage;
    },
  });
  assert.deepEqual(await keysOf(bucket.list()), all.slice(0, 61));
  assert.ok(seen.length > 0 && seen.every((border) => compareKeys(border, all[61]!) > 0), seen.join());
});

test('a listing with prefix, delimiter and start-after is the same one by one and side by side', async () => {
  const sibling = fc.constantFrom('a', 'a-', 'a.b', 'a0', 'b', '\u{1f600}', '\uff5e');
  await fc.assert(
    fc.asyncProperty(
      fc.array(sibling, { minLength: 1, maxLength: 4 }),
      fc.record({
        prefix: fc.constantFrom('', 'a', 'a/', 'a/0'),
        delimiter: fc.constantFrom(undefined, '/'),
        startAfter: fc.constantFrom(null, 'a', 'a/00050', 'a/00300/x', 'a0'),
      }),
      fc.boolean(),
      async (folders, options, aroundCrowds) => {
        const keys = folders.flatMap((folder, index) =>
          numbers(400).map((n) =>
            n % 3 === index ? `${folder}/${digits(n, 5)}/x` : `${folder}/${digits(n, 5)}`,
          ),
        );
        const lister = () => (aroundCrowds ? faults.countingSiblings : listPage);
        const bucket = new Bucket(keys, { pageSize: 3, lister });
        const one = await Array.fromAsync(bucket.list({ ...options, ahead: undefined }, aroundCrowds));
        const many = await Array.fromAsync(bucket.list(options, aroundCrowds));
        const keysIn = (pages: ListPage[]) => pages.flatMap(({ objects }) => objects.map(({ key }) => key));
        const foldersIn = (pages: ListPage[]) => [...new Set(pages.flatMap((page) => page.folders))];
        assert.deepEqual(keysIn(many), keysIn(one));
        assert.deepEqual(foldersIn(many), foldersIn(one));
        assert.equal(many.at(-1)?.lastKey, one.at(-1)?.lastKey);
      },
    ),
    { numRuns: 60 },
  );
});

test('a short listing, and one that its caller soon ends, costs the requests of its pages', async () => {
  const keys = DISTRIBUTIONS['numbers in one folder']!(40, seeded(1));
  const short = new Bucket(keys, { pageSize: 10 });
  await keysOf(short.list());
  assert.equal(short.requests, 4);

  const few = new Bucket(DISTRIBUTIONS['numbers in one folder']!(1000, seeded(1)), { pageSize: 10 });
  let pages = 0;
  for await (const _ of few.list({ ahead: { pages: () => 20 - pages } })) if (++pages === 20) break;
  assert.equal(few.requests, 20);
});

test('nothing is listed beyond the key to which the caller reads', async () => {
  const keys = DISTRIBUTIONS['numbers in one folder']!(3000, seeded(1));
  const bucket = new Bucket(keys, { pageSize: 5 });
  const until = keys[1500]!;
  for await (const page of bucket.list({ ahead: { ...EVERYTHING, until } }))
    if (compareKeys(page.lastKey!, until) >= 0) break;
  assert.ok(bucket.mostRunning >= 4);
  assert.ok(bucket.requests <= 300 * 1.25 + 12, `${bucket.requests} requests for 300 pages`);
});

test('a caller that is slow holds up the listing, and one that leaves ends it', async () => {
  // Keys of 2 KB: 48 MB are some 22,000 of them.
  const keys = numbers(60_000).map((n) => `${digits(n, 7)}${'x'.repeat(2000)}`);
  const bucket = new Bucket(keys, { pageSize: 1000 });
  let seen = 0;
  for await (const page of bucket.list()) {
    seen += page.objects.length;
    for (let turn = 0; turn < 30; turn += 1) await setImmediate();
    const ahead = bucket.requests * 1000 - seen;
    assert.ok(ahead < 45_000, `${ahead} keys are listed ahead`);
    if (seen > 30_000) break;
  }
  const { requests } = bucket;
  for (let turn = 0; turn < 100; turn += 1) await setImmediate();
  assert.deepEqual([bucket.running, bucket.requests], [0, requests]);
});

test('a server that ignores start-after is listed one by one, as without ranges', async () => {
  const keys = DISTRIBUTIONS['numbers in one folder']!(1000, seeded(1));
  const bucket = new Bucket(keys, { pageSize: 5, lister: () => faults.ignoringStartAfter });
  assert.deepEqual(await keysOf(bucket.list()), bucket.sorted);
  assert.ok(bucket.requests < 220, `${bucket.requests} requests`);
});

test('a server that leaves keys out after start-after is listed one by one', async () => {
  const keys = DISTRIBUTIONS['numbers in one folder']!(1000, seeded(1));
  // Skips a page after each start-after.
  const skipping: faults.Lister = (sorted, options) => {
    const page = listPage(sorted, options);
    return options.byToken || options.after === '' || page.next === undefined
      ? page
      : listPage(sorted, { ...options, after: page.next });
  };
  const bucket = new Bucket(keys, { pageSize: 5, lister: () => skipping });
  assert.deepEqual(await keysOf(bucket.list()), bucket.sorted);
});

test('a failed request of a range fails the listing where it comes to it, or is repeated one by one', async () => {
  const keys = DISTRIBUTIONS['folders of numbers']!(3000, seeded(1));
  for (let failing = 1; failing < 400; failing += 13) {
    let requests = 0;
    const bucket = new Bucket(keys, {
      pageSize: 5,
      seed: failing,
      before: () => {
        if (++requests === failing) throw new ConnectorError('source_unavailable', 'no answer');
      },
    });
    const listed: string[] = [];
    const failed = await (async () => {
      for await (const { objects } of bucket.list()) listed.push(...objects.map(({ key }) => key));
    })().then(
      () => false,
      (error) => error instanceof ConnectorError,
    );
    assert.deepEqual(listed, failed ? bucket.sorted.slice(0, listed.length) : bucket.sorted);
  }
});

test('a server that refuses many requests at a time is listed one by one', async () => {
  for (let seed = 1; seed <= 10; seed += 1) {
    let refused = 0;
    const bucket = new Bucket(DISTRIBUTIONS['folders of numbers']!(3000, seeded(1)), {
      pageSize: 5,
      seed,
      before: (asked) => {
        if (asked.running <= 3) return;
        asked.running -= 1;
        refused += 1;
        throw new ConnectorError('source_unavailable', 'SlowDown', { passing: true });
      },
    });
    const pages = await Array.fromAsync(bucket.list());
    assert.deepEqual(
      pages.flatMap(({ objects }) => objects.map(({ key }) => key)),
      bucket.sorted,
    );
    assert.ok(
      refused > 0 && bucket.requests < 600 * 1.5,
      `${refused} of ${bucket.requests} requests are refused`,
    );
  }
});

test('a request that fails side by side and one by one fails the listing', async () => {
  const keys = DISTRIBUTIONS['folders of numbers']!(3000, seeded(1));
  const lost = keys.sort(compareKeys)[1200]!;
  const bucket = new Bucket(keys, {
    pageSize: 5,
    lister: () => (sorted, options) => {
      const page = listPage(sorted, options);
      if (page.keys.includes(lost))
        throw new ConnectorError('source_unavailable', 'no answer', { passing: true });
      return page;
    },
  });
  const listed: string[] = [];
  await assert.rejects(async () => {
    for await (const { objects } of bucket.list()) listed.push(...objects.map(({ key }) => key));
  }, /no answer/);
  assert.deepEqual(listed, bucket.sorted.slice(0, listed.length));
  assert.ok(listed.length > 1190 && listed.length <= 1200, `${listed.length} keys are listed before`);
});

test('with any false answer, a listing side by side misses only keys that one by one may miss as well', async () => {
  const omissions: faults.Lister[] = [faults.droppingPages, faults.endingEarly, faults.byUtf16Units];
  const lies = [
    ...omissions,
    ...[
      faults.unsorted,
      faults.ignoringStartAfter,
      faults.leadingBack,
      faults.emptyPage,
      faults.countingSiblings,
    ],
  ];
  const outcomes = { whole: 0, failed: 0, missed: 0 };
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...Object.keys(DISTRIBUTIONS)),
      fc.array(fc.tuple(fc.nat({ max: 30 }), fc.constantFrom(...lies)), { minLength: 1, maxLength: 4 }),
      fc.nat({ max: 1e6 }),
      async (name, told, seed) => {
        const queue = told.flatMap(([truths, lie]) => [...Array<faults.Lister>(truths).fill(listPage), lie]);
        const used = new Set<faults.Lister>();
        const lister = () => {
          const one = queue.shift() ?? listPage;
          used.add(one);
          return one;
        };
        const bucket = new Bucket(DISTRIBUTIONS[name]!(600, seeded(seed)), { pageSize: 4, seed, lister });
        try {
          const got = await keysOf(bucket.list({}, true));
          assertRising(got);
          const missed = bucket.sorted.filter((key) => !got.includes(key));
          if (missed.length > 0)
            assert.ok(
              omissions.some((lie) => used.has(lie)),
              [...used].map(({ name }) => name).join(),
            );
          outcomes[missed.length > 0 ? 'missed' : 'whole'] += 1;
        } catch (error) {
          if (!(error instanceof ConnectorError)) throw error;
          outcomes.failed += 1;
        }
      },
    ),
    { numRuns: 100 },
  );
  assert.ok(
    Object.values(outcomes).every((count) => count > 0),
    JSON.stringify(outcomes),
  );
});

test('borders follow the digits of keys', () => {
  const guess = (first: string, last: string, after: number) =>
    guessBorder({ first, last, pages: 1 }, { from: last, after, prefix: 'd/' });
  const cases: [string, string, number, string | undefined][] = [
    ['d/f-0001000', 'd/f-0001999', 2, 'd/f-000397'],
    ['d/f-0009000', 'd/f-0009999', 2, 'd/f-001197'],
    ['d/day=05/a', 'd/day=25/b', 2, 'd/day=65/'],
    ['d/month=01/day=05/1.csv', 'd/month=01/day=45/1.csv', 2, 'd/month=02/day=25'],
    ['d/day-9a', 'd/day-9f', 2, 'd/day-a9'],
    ['d/ab', 'd/az', 1, 'd/bx'],
    ['d/9000', 'd/9999', 1, undefined],
    ['d/\u{1f600}', 'd/\u{1f601}', 1, undefined],
  ];
  for (const [first, last, after, border] of cases) {
    const guessed = guess(first, last, after);
    if (border === undefined) assert.equal(guessed, undefined);
    else assert.ok(guessed?.startsWith(border), `${guessed} for ${border}`);
  }
  const key = fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.string({ unit: fc.constantFrom(...'abcZ0189/=-', '\u{1f600}'), maxLength: 12 }),
  );
  fc.assert(
    fc.property(key, key, key, fc.double({ min: 0.1, max: 200, noNaN: true }), (a, b, c, after) => {
      const [first, last] = [`d/${a}`, `d/${b}`].sort(compareKeys) as [string, string];
      const from = `d/${c}`.toWellFormed();
      const guessed = guessBorder({ first, last, pages: 1 }, { from, after, prefix: 'd/' });
      if (guessed === undefined) return;
      assert.ok(
        guessed.startsWith('d/') && compareKeys(guessed, from) > 0 && guessed.isWellFormed(),
        guessed,
      );
    }),
    { numRuns: 500 },
  );
});
