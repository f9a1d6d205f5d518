import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { crc32 } from 'node:zlib';
import { GetObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { type ChunkSeed, elementOf, hmac, type RawAnswer, sendRaw, sha256 } from '../raw_request.ts';
import { newBucket } from '../target.ts';
import { type Subject, suite } from './suite.ts';

const base64Crc = (data: string | Buffer) => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(data));
  return bytes.toString('base64');
};
const digest = (algorithm: string, data: string) => createHash(algorithm).update(data).digest('base64');

interface Upload {
  body?: string;
  headers?: Record<string, string>;
  payloadHash?: string;
  signedBody?: (seed: ChunkSeed) => string;
}

function upload(subject: Subject, bucket: string, options: Upload): Promise<RawAnswer> {
  return sendRaw(subject.target, { method: 'PUT', path: `/${bucket}/a`, ...options });
}

async function stored(subject: Subject, Bucket: string): Promise<string | undefined> {
  const { Body } = await subject.client.send(new GetObjectCommand({ Bucket, Key: 'a' }));
  return Body?.transformToString();
}

/** Chunks, each signed with the previous signature, then the trailers if any. */
function signedChunks(seed: ChunkSeed, chunks: string[], trailers: Record<string, string> = {}): string {
  let previous = seed.signature;
  const sign = (algorithm: string, ...hashes: string[]) => {
    const toSign = [algorithm, seed.timestamp, seed.scope, previous, ...hashes].join('\n');
    previous = hmac(seed.key, toSign).toString('hex');
    return previous;
  };
  const lines = [...chunks, ''].map((chunk) => {
    const signature = sign('AWS4-HMAC-SHA256-PAYLOAD', sha256(''), sha256(chunk));
    return `${chunk.length.toString(16)};chunk-signature=${signature}\r\n${chunk}${chunk === '' ? '' : '\r\n'}`;
  });
  const text = Object.entries(trailers).map(([name, value]) => `${name}:${value}`);
  if (text.length === 0) return `${lines.join('')}\r\n`;
  const signature = sign('AWS4-HMAC-SHA256-TRAILER', sha256(text.map((line) => `${line}\n`).join('')));
  return `${lines.join('')}${text.join('\r\n')}\r\nx-amz-trailer-signature:${signature}\r\n\r\n`;
}

function streaming(
  payloadHash: string,
  length: number,
  trailer?: string,
): Pick<Upload, 'headers' | 'payloadHash'> {
  return {
    payloadHash,
    headers: {
      'content-encoding': 'aws-chunked',
      'x-amz-decoded-content-length': String(length),
      ...(trailer ? { 'x-amz-trailer': trailer } : {}),
    },
  };
}

const SIGNED = 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD';
const UNSIGNED_TRAILER = 'STREAMING-UNSIGNED-PAYLOAD-TRAILER';

export const uploadSuite = suite('uploads', (subject) => {
  test('a stream of the SDK, with its checksum in a trailer, is stored', async () => {
    await using bucket = await newBucket(subject.client);
    const body = randomBytes(300_000);
    const Body = Readable.from([body.subarray(0, 100_000), body.subarray(100_000)]);
    await subject.client.send(
      new PutObjectCommand({ Bucket: bucket.name, Key: 'a', Body, ContentLength: body.length }),
    );
    const answer = await subject.client.send(new GetObjectCommand({ Bucket: bucket.name, Key: 'a' }));
    assert.ok(Buffer.from((await answer.Body?.transformToByteArray()) ?? []).equals(body));
    assert.equal(answer.ContentEncoding, undefined);
  });

  test('signed chunks are stored', async () => {
    await using bucket = await newBucket(subject.client);
    const chunks = ['x'.repeat(8192), 'last\r\n0;'];
    const length = chunks.join('').length;
    const good = await upload(subject, bucket.name, {
      ...streaming(SIGNED, length),
      signedBody: (seed) => signedChunks(seed, chunks),
    });
    assert.equal(good.status, 200, good.body);
    assert.equal(await stored(subject, bucket.name), chunks.join(''));
    const forged = await upload(subject, bucket.name, {
      ...streaming(SIGNED, length),
      signedBody: (seed) => signedChunks(seed, chunks).replace('last', 'LAST'),
    });
    assert.deepEqual([forged.status, elementOf(forged.body, 'Code')], [403, 'SignatureDoesNotMatch']);
    assert.equal(await stored(subject, bucket.name), chunks.join(''));
  });

  test('signed chunks with a signed trailer are stored', async () => {
    await using bucket = await newBucket(subject.client);
    const send = (crc: string, tamper = (text: string) => text) =>
      upload(subject, bucket.name, {
        ...streaming(`${SIGNED}-TRAILER`, 5, 'x-amz-checksum-crc32'),
        signedBody: (seed) => tamper(signedChunks(seed, ['hello'], { 'x-amz-checksum-crc32': crc })),
      });
    const good = await send(base64Crc('hello'));
    assert.equal(good.status, 200, good.body);
    assert.equal(await stored(subject, bucket.name), 'hello');
    const wrong = await send(base64Crc('other'));
    assert.deepEqual([wrong.status, elementOf(wrong.body, 'Code')], [400, 'BadDigest']);
    const forged = await send(base64Crc('hello'), (text) =>
      text.replace(/trailer-signature:./, 'trailer-signature:g'),
    );
    assert.equal(forged.status, 403);
  });

  test('unsigned chunks with a trailer are stored', async () => {
    await using bucket = await newBucket(subject.client);
    const first = 'x'.repeat(8192);
    const send = (crc: string) =>
      upload(subject, bucket.name, {
        ...streaming(UNSIGNED_TRAILER, 8197, 'x-amz-checksum-crc32'),
        body: `2000\r\n${first}\r\n5\r\nhello\r\n0\r\nx-amz-checksum-crc32:${crc}\r\n\r\n`,
      });
    const good = await send(base64Crc(`${first}hello`));
    assert.equal(good.status, 200, good.body);
    assert.equal(await stored(subject, bucket.name), `${first}hello`);
    const wrong = await send(base64Crc('other'));
    assert.deepEqual([wrong.status, elementOf(wrong.body, 'Code')], [400, 'BadDigest']);
  });

  test('only the last chunk may be shorter than 8192 bytes', async () => {
    await using bucket = await newBucket(subject.client);
    const answer = await upload(subject, bucket.name, {
      ...streaming(UNSIGNED_TRAILER, 5, 'x-amz-checksum-crc32'),
      body: `3\r\nhel\r\n2\r\nlo\r\n0\r\nx-amz-checksum-crc32:${base64Crc('hello')}\r\n\r\n`,
    });
    assert.deepEqual([answer.status, elementOf(answer.body, 'Code')], [400, 'InvalidChunkSizeError']);
  });

  test('chunks that end early or differ from their declared length are refused', async () => {
    await using bucket = await newBucket(subject.client);
    const send = (body: string, length: number) =>
      upload(subject, bucket.name, { ...streaming(UNSIGNED_TRAILER, length), body });
    const short = await send('5\r\nhel', 5);
    const long = await send('5\r\nhello\r\n0\r\n\r\n', 4);
    assert.deepEqual([short.status, long.status], [400, 400]);
    assert.equal(elementOf(short.body, 'Code'), 'IncompleteBody');
  });

  for (const [name, right, wrong] of [
    ['content-md5', digest('md5', 'hello'), digest('md5', 'other')],
    ['x-amz-checksum-crc32', base64Crc('hello'), base64Crc('other')],
    ['x-amz-checksum-sha1', digest('sha1', 'hello'), digest('sha1', 'other')],
    ['x-amz-checksum-sha256', digest('sha256', 'hello'), digest('sha256', 'other')],
  ] as const) {
    test(`${name} is verified`, async () => {
      await using bucket = await newBucket(subject.client);
      const good = await upload(subject, bucket.name, { body: 'hello', headers: { [name]: right } });
      assert.equal(good.status, 200, good.body);
      const bad = await upload(subject, bucket.name, { body: 'hello', headers: { [name]: wrong } });
      assert.deepEqual([bad.status, elementOf(bad.body, 'Code')], [400, 'BadDigest']);
    });
  }

  test('a wrong payload hash is refused', async () => {
    await using bucket = await newBucket(subject.client);
    const answer = await upload(subject, bucket.name, { body: 'hello', payloadHash: sha256('other') });
    assert.deepEqual([answer.status, elementOf(answer.body, 'Code')], [400, 'XAmzContentSHA256Mismatch']);
  });
});
