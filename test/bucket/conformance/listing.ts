import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DeleteObjectCommand,
  ListObjectsV2Command,
  type ListObjectsV2CommandInput,
} from '@aws-sdk/client-s3';
import { failureOf, newBucket } from '../target.ts';
import { type Subject, suite } from './suite.ts';

const KEYS = ['a', 'b/1', 'b/2', 'b/c/3', 'b0', 'c--1', 'c--2', 'c-1', 'd'];

async function list(subject: Subject, Bucket: string, input: Partial<ListObjectsV2CommandInput> = {}) {
  const page = await subject.client.send(new ListObjectsV2Command({ Bucket, ...input }));
  return {
    ...page,
    keys: (page.Contents ?? []).map(({ Key }) => Key),
    prefixes: (page.CommonPrefixes ?? []).map(({ Prefix }) => Prefix),
  };
}

export const listingSuite = suite('listing', (subject) => {
  test('an empty bucket lists no objects', async () => {
    await using bucket = await newBucket(subject.client);
    const page = await list(subject, bucket.name);
    assert.equal(page.KeyCount, 0);
    assert.equal(page.IsTruncated, false);
    assert.equal(page.MaxKeys, 1000);
    assert.equal(page.Name, bucket.name);
    assert.deepEqual(page.keys, []);
  });

  test("a listing has each object's size, ETag and time in whole seconds", async () => {
    await using bucket = await newBucket(subject.client, ['a']);
    const [object] = (await list(subject, bucket.name)).Contents ?? [];
    assert.equal(object?.Size, 1);
    assert.equal(object?.ETag, '"9dd4e461268c8034f5c8564e155c67a6"');
    assert.equal(object?.StorageClass, 'STANDARD');
    assert.ok(object.LastModified instanceof Date);
  });

  test('prefix and delimiter group keys, with one character and with several', async () => {
    await using bucket = await newBucket(subject.client, KEYS);
    const flat = await list(subject, bucket.name, { Delimiter: '/' });
    assert.deepEqual([flat.keys, flat.prefixes], [['a', 'b0', 'c--1', 'c--2', 'c-1', 'd'], ['b/']]);
    assert.equal(flat.KeyCount, 7);
    const inside = await list(subject, bucket.name, { Delimiter: '/', Prefix: 'b/' });
    assert.deepEqual([inside.keys, inside.prefixes], [['b/1', 'b/2'], ['b/c/']]);
    const dashes = await list(subject, bucket.name, { Delimiter: '--' });
    assert.deepEqual(dashes.prefixes, ['c--']);
    assert.ok(dashes.keys.includes('c-1'));
    const midway = await list(subject, bucket.name, { Delimiter: '/', Prefix: 'b' });
    assert.deepEqual([midway.keys, midway.prefixes], [['b0'], ['b/']]);
  });

  test('start-after works at a key, between keys and inside a common prefix', async () => {
    await using bucket = await newBucket(subject.client, KEYS);
    const after = async (StartAfter: string) => {
      const { keys, prefixes } = await list(subject, bucket.name, { StartAfter, Delimiter: '/', MaxKeys: 2 });
      return [keys, prefixes];
    };
    assert.deepEqual(await after('a'), [['b0'], ['b/']]);
    assert.deepEqual(await after('aa'), [['b0'], ['b/']]);
    assert.deepEqual(await after('b'), [['b0'], ['b/']]);
    assert.deepEqual(await after('b/'), [['b0', 'c--1'], []]);
    assert.deepEqual(await after('b/1'), [['b0', 'c--1'], []]);
    assert.deepEqual(await after('c-1'), [['d'], []]);
    assert.deepEqual(await after('z'), [[], []]);
  });

  test('start-after in a folder works next to a folder whose name continues with a character before the slash', async () => {
    const inside = ['dev/pump/1', 'dev/pump/2', 'dev/pump/a/3'];
    const after = ['dev/pump0', 'dev/q/1'];
    const beside = Array.from({ length: 20 }, (_, index) => `dev/pump-old/${index}`);
    await using bucket = await newBucket(subject.client, [...beside, ...inside, ...after]);
    const listed: (string | undefined)[] = [];
    let page = await list(subject, bucket.name, { Prefix: 'dev/', StartAfter: 'dev/pump/1', MaxKeys: 2 });
    for (;;) {
      listed.push(...page.keys);
      if (!page.IsTruncated) break;
      const next = { MaxKeys: 2, ContinuationToken: page.NextContinuationToken };
      page = await list(subject, bucket.name, { Prefix: 'dev/', ...next });
    }
    assert.deepEqual(listed, [...inside.slice(1), ...after]);
    const narrowed = await list(subject, bucket.name, { Prefix: 'dev/pump/', StartAfter: 'dev/pump/1' });
    assert.deepEqual([narrowed.keys, narrowed.IsTruncated], [inside.slice(1), false]);
  });

  test('start-after before the prefix changes nothing, and after it lists nothing', async () => {
    await using bucket = await newBucket(subject.client, KEYS);
    assert.deepEqual((await list(subject, bucket.name, { Prefix: 'b/', StartAfter: 'a' })).keys, [
      'b/1',
      'b/2',
      'b/c/3',
    ]);
    assert.deepEqual((await list(subject, bucket.name, { Prefix: 'b/', StartAfter: 'c' })).keys, []);
  });

  test('a continuation token takes precedence over start-after', async () => {
    await using bucket = await newBucket(subject.client, KEYS);
    const first = await list(subject, bucket.name, { MaxKeys: 2, StartAfter: 'a' });
    assert.deepEqual(first.keys, ['b/1', 'b/2']);
    assert.equal(first.StartAfter, 'a');
    const next = { MaxKeys: 2, ContinuationToken: first.NextContinuationToken };
    const second = await list(subject, bucket.name, { ...next, StartAfter: 'c' });
    assert.deepEqual(second.keys, ['b/c/3', 'b0']);
    assert.equal(second.ContinuationToken, first.NextContinuationToken);
  });

  test('a listing continues where it stopped, also if the last key was deleted', async () => {
    await using bucket = await newBucket(subject.client, KEYS);
    const first = await list(subject, bucket.name, { MaxKeys: 2 });
    await subject.client.send(new DeleteObjectCommand({ Bucket: bucket.name, Key: 'b/1' }));
    const second = await list(subject, bucket.name, {
      MaxKeys: 1,
      ContinuationToken: first.NextContinuationToken,
    });
    assert.deepEqual(second.keys, ['b/2']);
  });

  test('the last page, full or not, is not truncated', async () => {
    await using bucket = await newBucket(subject.client, ['a', 'b/1', 'b/2']);
    const page = await list(subject, bucket.name, { MaxKeys: 2, Delimiter: '/' });
    assert.equal(page.IsTruncated, false);
    assert.equal(page.NextContinuationToken, undefined);
    assert.equal(page.KeyCount, 2);
  });

  test('max-keys of 0 gives an empty page that is not truncated', async () => {
    await using bucket = await newBucket(subject.client, ['a']);
    const page = await list(subject, bucket.name, { MaxKeys: 0 });
    assert.deepEqual([page.keys, page.KeyCount, page.MaxKeys, page.IsTruncated], [[], 0, 0, false]);
  });

  test('a page has at most 1000 entries', async () => {
    const keys = Array.from({ length: 1001 }, (_, index) => `k${String(index).padStart(4, '0')}`);
    await using bucket = await newBucket(subject.client, keys);
    const page = await list(subject, bucket.name, { MaxKeys: 5000 });
    assert.deepEqual(
      [page.keys.length, page.KeyCount, page.MaxKeys, page.IsTruncated],
      [1000, 1000, 1000, true],
    );
    const rest = await list(subject, bucket.name, { ContinuationToken: page.NextContinuationToken });
    assert.deepEqual([rest.keys, rest.IsTruncated], [['k1000'], false]);
  });

  for (const [what, input] of Object.entries({
    'a negative max-keys': { MaxKeys: -1 },
    'a made-up continuation token': {
      ContinuationToken: Buffer.from('a token that nobody gave').toString('base64'),
    },
    'an unknown encoding': { EncodingType: 'base64' as 'url' },
  })) {
    test(`${what} is refused`, async () => {
      await using bucket = await newBucket(subject.client, ['a']);
      const failure = await failureOf(list(subject, bucket.name, input));
      assert.deepEqual(failure, { code: 'InvalidArgument', status: 400 });
    });
  }
});
