import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
} from '@aws-sdk/client-s3';
import { elementOf, sendRaw } from '../raw_request.ts';
import { decodeKey, failureOf, newBucket } from '../target.ts';
import { suite } from './suite.ts';

const STRANGE_KEYS = [
  'two//slashes///deep',
  '/leading',
  'trailing/',
  'dots/../up',
  'dots/./here',
  '100%',
  '%41%2F',
  'a+b c',
  ' spaces at both ends ',
  '?query=1&more#fragment',
  '<tag attribute="1">&amp;\'',
  "!*'();:@$,[]~_-.",
  'é-\u20ac-\ue000-\uffee-\u{1f600}-\u{2f800}-\u{10fffd}',
  'e\u0301 is not \u00e9',
  'x'.repeat(1024),
];
const CONTROL_KEYS = ['tab\tline\nreturn\rend', 'null-less \u0001\u001f\u007f'];

export const keySuite = suite('keys', (subject) => {
  test('keys with unusual characters work in every operation', async () => {
    const { client } = subject;
    await using bucket = await newBucket(client);
    const Bucket = bucket.name;
    for (const Key of [...STRANGE_KEYS, ...CONTROL_KEYS]) {
      await client.send(new PutObjectCommand({ Bucket, Key, Body: `body of ${Key}` }));
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key }));
      assert.equal(await Body?.transformToString(), `body of ${Key}`);
      const { ContentLength } = await client.send(new HeadObjectCommand({ Bucket, Key }));
      assert.equal(ContentLength, Buffer.byteLength(`body of ${Key}`));
    }
    const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket, EncodingType: 'url' }));
    const listed = Contents.map(({ Key = '' }) => decodeKey(Key));
    assert.deepEqual(
      listed,
      [...STRANGE_KEYS, ...CONTROL_KEYS].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
    );
    for (const Key of CONTROL_KEYS) await client.send(new DeleteObjectCommand({ Bucket, Key }));
    const plain = await client.send(new ListObjectsV2Command({ Bucket }));
    assert.deepEqual(new Set(plain.Contents?.map(({ Key }) => Key)), new Set(STRANGE_KEYS));
    const { Deleted = [], Errors } = await client.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects: STRANGE_KEYS.map((Key) => ({ Key })) } }),
    );
    assert.equal(Errors, undefined);
    assert.deepEqual(new Set(Deleted.map(({ Key }) => Key)), new Set(STRANGE_KEYS));
    assert.equal((await client.send(new ListObjectsV2Command({ Bucket }))).KeyCount, 0);
  });

  test('with encoding-type=url, a listing encodes keys as forms do, except slashes', async () => {
    await using bucket = await newBucket(subject.client, ["a/b c+d%é(1)!*'~_-.<&"]);
    const { body } = await sendRaw(subject.target, {
      path: `/${bucket.name}?encoding-type=url&list-type=2&prefix=a%2Fb%20c`,
    });
    assert.equal(elementOf(body, 'Key'), 'a/b+c%2Bd%25%C3%A9%281%29%21*%27%7E_-.%3C%26');
    assert.equal(elementOf(body, 'Prefix'), 'a/b+c');
    assert.equal(elementOf(body, 'EncodingType'), 'url');
  });

  test('without encoding-type, control characters become character references', async () => {
    await using bucket = await newBucket(subject.client, ['a\nb\rc<&>d\u0001']);
    const { body } = await sendRaw(subject.target, { path: `/${bucket.name}?list-type=2` });
    const key = elementOf(body, 'Key')?.replaceAll(
      /&#(\d+);/g,
      (_, code) => `&#x${Number(code).toString(16)};`,
    );
    assert.equal(key?.toLowerCase(), 'a&#xa;b&#xd;c&lt;&amp;&gt;d&#x1;');
  });

  test('a key of more than 1024 bytes is refused', async () => {
    await using bucket = await newBucket(subject.client);
    const Key = `${'é'.repeat(512)}x`;
    const failure = await failureOf(
      subject.client.send(new PutObjectCommand({ Bucket: bucket.name, Key, Body: 'x' })),
    );
    assert.deepEqual(failure, { code: 'KeyTooLongError', status: 400 });
  });

  test('a path that is not percent-encoded UTF-8 is refused', async () => {
    await using bucket = await newBucket(subject.client);
    const answer = await sendRaw(subject.target, { path: `/${bucket.name}/%FF%FE` });
    assert.equal(answer.status, 400);
  });
});
