import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { listPage } from '../../embedded/bucket/listing.ts';
import { compileGlob } from '../../src/glob.ts';
import { compareKeys, laterKey } from '../../src/keys.ts';
import { type ListStart, listForPoll } from '../../src/list/poll_listing.ts';
import { listInOrder } from '../../src/sources/s3_ranges.ts';
import type { ListRequest } from '../../src/sources/s3_walk.ts';
import type { ListOptions, Source, SourceObject } from '../../src/sources/source.ts';

// What polls list, against a model of the bucket and of what a poll commits.

const glob = compileGlob('**.csv');

class Model {
  readonly keys = new Set<string>();
  readonly files = new Set<string>();
  readonly late = new Set<string>();
  upcoming: string[] = [];
  requests = 0;
  start: ListStart;
  readonly #pageSize: number;

  constructor(pageSize: number, startAfter: string | null = null) {
    this.#pageSize = pageSize;
    this.start = {
      marker: startAfter,
      startAfter,
      scanPosition: null,
      hasUpcoming: false,
      window: { lookBehind: startAfter ?? '', endPosition: null, tailPosition: null, arrivesAtEnd: false },
      isAsked: false,
      walkIsDue: false,
      ending: null,
    };
  }

  /** Matching keys after the marker that are in the bucket, and were never enqueued. */
  get missing(): string[] {
    return [...this.keys].filter(
      (key) =>
        glob.matches(key) &&
        !this.files.has(key) &&
        (this.start.marker === null || compareKeys(key, this.start.marker) > 0),
    );
  }

  /** Polls once, and commits as commit_poll does. Returns the LIST requests. */
  async poll({ places = 1e6, maxRequests = 1e6, isAsked = false, walkIsDue = false } = {}): Promise<number> {
    this.start = { ...this.start, isAsked, walkIsDue };
    // As look_behind_start: the last key of a listing may have been deleted before it was enqueued.
    const { marker, window: noted } = this.start;
    if (marker !== null && compareKeys(noted.lookBehind, marker) > 0)
      this.start.window = { ...noted, lookBehind: marker };
    const sorted = [...this.keys].sort(compareKeys);
    const source = this.#source(sorted);
    const before = this.start.marker;
    // A scan of several polls does not go back for what arrives behind it meanwhile.
    const from = this.start.hasUpcoming ? before : laterKey(before, this.start.scanPosition);
    const { objects, behind, scanPosition, window, requests } = await listForPoll(source, glob, this.start, {
      places,
      youngerThan: null,
      maxRequests,
    });
    const ahead = objects.map(({ key }) => key);
    assert.deepEqual(ahead, [...new Set(ahead)].sort(compareKeys), 'in key order, each once');
    for (const { key } of behind) {
      assert.ok(before !== null && compareKeys(key, before) <= 0);
      if (!this.files.has(key)) this.late.add(key);
    }
    this.upcoming = ahead.filter((key) => !this.files.has(key));
    this.start = { ...this.start, scanPosition, window };
    this.enqueueMore(places);
    // Keys that are tracked already are passed, too.
    const [next] = this.upcoming;
    const passedKey = ahead.filter((key) => next === undefined || compareKeys(key, next) < 0).at(-1);
    this.start.marker = passedKey ?? this.start.marker;
    const passed = sorted.filter(
      (key) =>
        glob.matches(key) &&
        (from === null || compareKeys(key, from) > 0) &&
        this.start.marker !== null &&
        compareKeys(key, this.start.marker) <= 0,
    );
    assert.deepEqual(
      passed.filter((key) => !this.files.has(key)),
      [],
      'the marker passes no key that is there',
    );
    this.requests += requests;
    return requests;
  }

  /** Enqueues upcoming keys. */
  enqueueMore(places: number): void {
    const taken = this.upcoming.splice(0, places);
    for (const key of taken) this.files.add(key);
    this.start.marker = taken.at(-1) ?? this.start.marker;
    this.start.hasUpcoming = this.upcoming.length > 0;
  }

  get isBehind(): boolean {
    return this.start.scanPosition !== null || this.upcoming.length > 0;
  }

  #source(sorted: string[]): Source {
    const ask = async ({ prefix, delimiter = '', startAfter = '', token }: ListRequest) => {
      const after = token ?? startAfter;
      const page = listPage(sorted, { prefix, delimiter, after, byToken: false, maxKeys: this.#pageSize });
      return { objects: page.keys.map(objectOf), folders: page.commonPrefixes, next: page.next };
    };
    const list = (options: ListOptions) => listInOrder(ask, options, { aroundCrowds: false });
    return { list } as unknown as Source;
  }
}

const objectOf = (key: string): SourceObject => ({
  key,
  etag: '"e"',
  sizeBytes: 1,
  lastModified: new Date(0),
});

const name = (n: number) => String(n).padStart(6, '0');

test('with any arrivals between polls, the marker passes no key that is there, and none is missed', async () => {
  const step = fc.record({
    arrivals: fc.array(fc.tuple(fc.nat({ max: 400 }), fc.constantFrom('.csv', '.log', '.log', '.log')), {
      maxLength: 60,
    }),
    deletions: fc.array(fc.nat({ max: 400 }), { maxLength: 10 }),
    places: fc.constantFrom(1, 3, 1000),
    maxRequests: fc.constantFrom(1, 3, 1000),
    isAsked: fc.boolean(),
    walkIsDue: fc.boolean(),
    enqueues: fc.nat({ max: 2 }),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 2, max: 40 }),
      async (steps, pageSize) => {
        const model = new Model(pageSize);
        for (const { arrivals, deletions, enqueues, ...options } of steps) {
          for (const [n, ending] of arrivals) model.keys.add(name(n) + ending);
          for (const n of deletions) model.keys.delete(`${name(n)}.csv`);
          await model.poll(options);
          for (let n = 0; n < enqueues; n++) model.enqueueMore(options.places);
        }
        // Each walk passes at least a page of what is left.
        const polls = 20 + (4 * model.keys.size) / pageSize;
        for (let n = 0; n < polls; n++) await model.poll({ walkIsDue: true });
        assert.deepEqual(model.missing, []);
        assert.equal(model.isBehind, false);
      },
    ),
    { numRuns: 300, seed: Number(process.env.LISTING_SEED ?? 1) },
  );
});

test('a poll makes one LIST request among keys that match, and finds keys among the last hundreds', async () => {
  const model = new Model(1000);
  for (let n = 0; n < 30_000; n++) if (n % 2000 !== 5) model.keys.add(`${name(n)}.csv`);
  await model.poll({ places: 100 });
  while (model.isBehind) {
    if (model.upcoming.length > 0) model.enqueueMore(100);
    else await model.poll({ places: 100 });
  }
  assert.ok(model.requests <= 31, `${model.requests} requests`);
  const seen: number[] = [];
  for (let n = 30_000; n < 30_500; n += 10) {
    model.keys.add(`${name(n)}.csv`);
    model.keys.add(`${name(n - 400)}-late.csv`);
    seen.push(await model.poll({ places: 100 }));
    assert.deepEqual(model.missing, []);
    assert.ok(model.late.has(`${name(n - 400)}-late.csv`));
  }
  assert.deepEqual(new Set(seen), new Set([1]));
  for (let n = 29_000; n < 30_200; n++) model.keys.delete(`${name(n)}.csv`);
  for (let n = 30_500; n < 31_500; n += 100) {
    model.keys.add(`${name(n)}.csv`);
    assert.equal(await model.poll({ places: 100 }), 1);
  }
});

/** Many keys that do not match, after those of `first`. */
async function longTail(first: string[]): Promise<Model> {
  const model = new Model(1000);
  for (const key of first) model.keys.add(key);
  for (let n = 1; n < 20_000; n++) model.keys.add(`${name(n)}.log`);
  await model.poll();
  return model;
}

test('with a long tail, a steady poll makes one LIST request, and one that looks everywhere five', async () => {
  for (const first of [[], ['000000.csv']]) {
    const model = await longTail(first);
    for (let n = 0; n < 30; n++) {
      assert.equal(await model.poll(), 1);
      assert.equal(await model.poll({ isAsked: true }), 1 + first.length);
    }
    assert.equal(await model.poll({ walkIsDue: true }), 4 + first.length);
  }
});

test('with a long tail, polls find at once what arrives where the last match was, and elsewhere what is asked for', async () => {
  const model = await longTail(['000000.csv']);
  model.keys.add('000001.csv');
  assert.equal(await model.poll(), 1);
  assert.deepEqual(model.missing, []);
  model.keys.add('020500.csv');
  await model.poll();
  assert.deepEqual(model.missing, ['020500.csv'], 'the poll looked only around the marker');
  await model.poll({ isAsked: true });
  assert.deepEqual(model.missing, []);
  // Now they arrive at the end, with many that do not match.
  for (let hour = 3; hour < 6; hour++) {
    for (let n = 0; n < 3000; n++) model.keys.add(`${hour}-${name(n)}.log`);
    for (let n = 0; n < 3; n++) await model.poll();
    assert.equal(await model.poll(), 1);
    model.keys.add(`${hour}-${name(3000)}.csv`);
    await model.poll();
    assert.deepEqual(model.missing, [], `at the end, ${hour}`);
  }
});

test('a key in the middle of a long tail is found once the walk has come to it', async () => {
  const model = await longTail([]);
  model.keys.add('010000.csv');
  let walks = 0;
  for (; model.missing.length > 0; walks++) await model.poll({ walkIsDue: true });
  assert.ok(walks <= 7, `${walks} walks`);
  assert.equal(model.start.marker, '010000.csv');
  // The next one, just after the marker, is found at once.
  model.keys.add('010100.csv');
  assert.equal(await model.poll({ isAsked: true }), 2);
  assert.deepEqual(model.missing, []);
});

/** A key that matches is at the end of the bucket, and since then many others have arrived behind it. */
async function longTailAtEnd(): Promise<Model> {
  const model = await longTail(['000000.csv']);
  model.keys.add('020500.csv');
  await model.poll({ isAsked: true });
  for (let n = 1; n < 20_000; n++) model.keys.add(`1-${name(n)}.log`);
  await model.poll({ isAsked: true });
  assert.equal(model.start.window.arrivesAtEnd, true);
  assert.equal(await model.poll(), 1);
  return model;
}

test('a key just behind the marker is found before the marker moves to the end of a long tail', async () => {
  const model = await longTailAtEnd();
  model.keys.add('020499.csv');
  model.keys.add('2-000000.csv');
  await model.poll();
  assert.equal(model.start.marker, '2-000000.csv');
  assert.deepEqual([...model.late], ['020499.csv']);
});

test('when a poll uses up its requests at the end or in the walk, the marker passes no key of the tail', async () => {
  for (const options of [{ isAsked: true }, { walkIsDue: true }]) {
    const model = await longTailAtEnd();
    model.keys.add('1-010000.csv');
    for (let n = 0; n < 5000; n++) model.keys.add(`2-${name(n)}.log`);
    model.keys.add('3-000000.csv');
    for (let n = 0; n < 5; n++) await model.poll({ maxRequests: 2, ...options });
    while (model.missing.length > 0) await model.poll({ maxRequests: 2, ...options });
    assert.equal(model.start.marker, '3-000000.csv');
    assert.ok(model.files.has('1-010000.csv'));
  }
});
