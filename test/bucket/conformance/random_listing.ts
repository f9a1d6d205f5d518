import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ListObjectsV2Command } from '@aws-sdk/client-s3';
import { decodeKey, newBucket } from '../target.ts';
import { type Subject, suite } from './suite.ts';

const ROUNDS = 12;
const QUERIES = 15;
/** Characters of each length in UTF-8, around the surrogates, and those that XML and URLs escape. */
const CHARACTERS = [
  'a',
  'b',
  '/',
  '/',
  '-',
  ' ',
  '+',
  '%',
  '&',
  '<',
  'é',
  '€',
  '\ud7ff',
  '\ue000',
  '\uffee',
  '\u{10000}',
  '\u{1f600}',
  '\u{20000}',
  '\u{10fffd}',
];
const DELIMITERS = ['', '/', '/', '-', 'a', 'ab', '//', '€', '\u{1f600}'];

export const randomListingSuite = suite('listings equal those of an oracle', (subject) => {
  const first = Number(process.env.LISTING_SEED ?? 1);
  for (let round = 0; round < ROUNDS; round += 1) {
    const seed = first + round;
    test(`LISTING_SEED=${seed}`, () => listRandomly(subject, seed));
  }
});

interface Query {
  prefix: string;
  delimiter: string;
  startAfter: string;
  maxKeys: number;
  encode: boolean;
}

async function listRandomly(subject: Subject, seed: number): Promise<void> {
  const random = generator(seed);
  const keys = [...new Set(Array.from({ length: 5 + random(30) }, () => randomText(random, 1 + random(6))))];
  await using bucket = await newBucket(subject.client, keys);
  for (let count = 0; count < QUERIES; count += 1) {
    const query = randomQuery(random, keys);
    const expected = oracle(keys, query);
    const pages = await allPages(subject, bucket.name, query, expected.length + 2);
    const expectedPages = Array.from(
      { length: Math.max(1, Math.ceil(expected.length / query.maxKeys)) },
      (_, index) => expected.slice(index * query.maxKeys, (index + 1) * query.maxKeys),
    );
    assert.deepEqual(pages, expectedPages.map(split), JSON.stringify({ seed, keys, query }));
  }
}

function randomQuery(random: Random, keys: string[]): Query {
  const someKey = () => keys[random(keys.length)] ?? '';
  const cut = (text: string) => [...text].slice(0, random([...text].length + 1)).join('');
  const starts = [
    () => '',
    someKey,
    () => cut(someKey()),
    () => someKey() + randomText(random, 1),
    () => randomText(random, 2),
  ];
  return {
    prefix: random(2) === 0 ? '' : cut(someKey()),
    delimiter: DELIMITERS[random(DELIMITERS.length)] ?? '',
    startAfter: starts[random(starts.length)]?.() ?? '',
    maxKeys: 1 + random(7),
    encode: random(2) === 0,
  };
}

/** The listing that S3's documentation describes, in byte order: filtered by prefix, grouped, sorted, after `start-after`. */
function oracle(keys: string[], { prefix, delimiter, startAfter }: Query): Entry[] {
  const prefixBytes = Buffer.from(prefix);
  const entries = new Map<string, Entry>();
  for (const key of keys) {
    const bytes = Buffer.from(key);
    if (Buffer.compare(bytes.subarray(0, prefixBytes.length), prefixBytes) !== 0) continue;
    const at = delimiter === '' ? -1 : bytes.indexOf(delimiter, prefixBytes.length);
    const name = at < 0 ? bytes : bytes.subarray(0, at + Buffer.byteLength(delimiter));
    entries.set(name.toString('hex') + at, { name: name.toString(), rolledUp: at >= 0 });
  }
  const start = Buffer.from(startAfter);
  return [...entries.values()]
    .filter(({ name }) => Buffer.compare(Buffer.from(name), start) > 0)
    .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
}

interface Entry {
  name: string;
  rolledUp: boolean;
}

interface Page {
  keys: string[];
  prefixes: string[];
}

function split(entries: Entry[]): Page {
  const names = (rolledUp: boolean) =>
    entries.filter((entry) => entry.rolledUp === rolledUp).map(({ name }) => name);
  return { keys: names(false), prefixes: names(true) };
}

async function allPages(subject: Subject, Bucket: string, query: Query, atMost: number): Promise<Page[]> {
  const pages: Page[] = [];
  const decoded = (text = '') => (query.encode ? decodeKey(text) : text);
  let token: string | undefined;
  do {
    const page = await subject.client.send(
      new ListObjectsV2Command({
        Bucket,
        Prefix: query.prefix || undefined,
        Delimiter: query.delimiter || undefined,
        StartAfter: query.startAfter || undefined,
        MaxKeys: query.maxKeys,
        EncodingType: query.encode ? 'url' : undefined,
        ContinuationToken: token,
      }),
    );
    const keys = (page.Contents ?? []).map(({ Key }) => decoded(Key));
    const prefixes = (page.CommonPrefixes ?? []).map(({ Prefix }) => decoded(Prefix));
    pages.push({ keys, prefixes });
    assert.equal(page.KeyCount, keys.length + prefixes.length);
    assert.equal(page.IsTruncated, page.NextContinuationToken !== undefined);
    assert.ok(pages.length <= atMost, 'the listing does not end');
    token = page.NextContinuationToken;
  } while (token !== undefined);
  return pages;
}

type Random = (below: number) => number;

/** mulberry32 */
function generator(seed: number): Random {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function randomText(random: Random, length: number): string {
  return Array.from({ length }, () => CHARACTERS[random(CHARACTERS.length)]).join('');
}
