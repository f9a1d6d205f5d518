/** Server cases: what the connector relies on when it fetches objects. */
import { randomBytes } from 'node:crypto';
import { text } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { bareEtag } from '../sources/object_version.ts';
import type { SourceObject } from '../sources/source.ts';
import { Deviation, expectSame } from './deviation.ts';
import type { ServerCase } from './server_case.ts';
import type { Trial } from './trial.ts';

const DIGITS = '0123456789';

export const READING_CASES: readonly ServerCase[] = [
  {
    name: 'LIST, HEAD and GET agree about the size and the ETag of an object',
    reliedOn: 'If-Match: a file is one version of its object',
    level: 'required',
    otherwise: 'Files fail with no_etag or object_changed.',
    async run(trial) {
      const object = await putOne(trial, DIGITS);
      const head = await trial.options.source.head(object.key);
      expectSame(
        [head.sizeBytes, bareEtag(head.etag)],
        [object.sizeBytes, bareEtag(object.etag)],
        'HEAD has size and ETag',
      );
      expectSame(await read(trial, object), DIGITS, 'GET has');
      const age = Math.abs(Date.now() - object.lastModified.getTime());
      if (age > 24 * 3_600_000) throw new Deviation(`LIST has the time ${object.lastModified.toISOString()}`);
    },
  },
  {
    name: 'a large object is read byte by byte as it was written',
    reliedOn: 'every import',
    level: 'required',
    otherwise: 'Files would have other rows.',
    async run(trial) {
      const body = randomBytes(5 << 20);
      const object = await putOne(trial, body);
      const got = await readBytes(trial, object);
      if (!got.equals(body)) throw new Deviation(`of ${body.length} bytes it sent ${got.length}, or others`);
    },
  },
  {
    name: 'a part of an object is read by Range with If-Match',
    reliedOn: 'downloads that resume, and large Parquet files',
    level: 'required',
    otherwise: 'Broken downloads and large Parquet files fail with bad_range.',
    async run(trial) {
      const object = await putOne(trial, DIGITS);
      for (const [offset, length, expected] of [
        [3, undefined, '3456789'],
        [2, 4, '2345'],
        [9, 1, '9'],
      ] as const) {
        const got = await read(trial, object, { offset, ...(length === undefined ? {} : { length }) });
        expectSame(got, expected, `the bytes from ${offset} are`);
      }
    },
  },
  {
    name: 'a range behind the end is refused with 416',
    reliedOn: 'objects that became shorter while they were read',
    level: 'wanted',
    otherwise: 'Such a file is retried with a less exact message.',
    async run(trial) {
      await trial.put('a', DIGITS);
      expectSame(await statusOf(trial.get('a', { range: 'bytes=10-' })), 416, 'it answers');
    },
  },
  {
    name: 'a GET for another version than the current one is refused',
    reliedOn: 'If-Match: a file is one version of its object',
    level: 'wanted',
    otherwise: 'The connector compares the ETags of the answers itself, so nothing is lost.',
    async run(trial) {
      const object = await putOne(trial, DIGITS);
      const { source, signal } = trial.options;
      if (!(await source.refusesOtherVersion(object, { signal })))
        throw new Deviation('it ignores If-Match, and sends the current version');
    },
  },
  {
    name: 'an overwritten object has another ETag, also with the same size',
    reliedOn: 'noticing overwrites, and not mixing two versions',
    level: 'required',
    otherwise: 'An import may mix two versions, and overwrites go unnoticed.',
    async run(trial) {
      const before = await putOne(trial, DIGITS);
      await trial.put('a', '9876543210');
      const [after] = await trial.listAsConnector();
      if (bareEtag(after?.etag ?? '') === bareEtag(before.etag))
        throw new Deviation(`both versions have ${before.etag}`);
      expectSame(await codeOf(read(trial, before)), 'object_changed', 'reading the old version gives');
    },
  },
  {
    name: 'a read of an object that is overwritten meanwhile never mixes two versions',
    reliedOn: 'objects that are overwritten while a worker fetches them',
    level: 'required',
    otherwise: 'Write each key once, or imported rows may be of two versions.',
    async run(trial) {
      const old = Buffer.alloc(8 << 20, 'o');
      const object = await putOne(trial, old);
      const { source, signal } = trial.options;
      const body = await source.open(object, { offset: 0, signal });
      let overwritten = false;
      try {
        for await (const chunk of body as AsyncIterable<Buffer>) {
          if (!overwritten) await trial.put('a', Buffer.alloc(old.length, 'n'));
          overwritten = true;
          if (chunk.includes('n'))
            throw new Deviation('after bytes of the old version it sent those of the new one');
        }
      } catch (error) {
        // A broken connection is right, too: the fetch then resumes with If-Match.
        if (error instanceof Deviation) throw error;
      }
    },
  },
  {
    name: 'an empty object is listed and read',
    reliedOn: 'empty files, which are a success without rows',
    level: 'required',
    otherwise: 'Empty files fail.',
    async run(trial) {
      const object = await putOne(trial, '');
      expectSame([object.sizeBytes, await read(trial, object)], [0, ''], 'size and bytes are');
    },
  },
  {
    name: 'an object with Content-Encoding: gzip is sent as it is stored',
    reliedOn: 'compressed files with that header',
    level: 'wanted',
    otherwise: 'Such files fail with object_changed. Upload compressed files without Content-Encoding.',
    async run(trial) {
      const body = gzipSync(DIGITS.repeat(100));
      const object = await putOne(trial, body, { ContentEncoding: 'gzip' });
      if (!(await readBytes(trial, object)).equals(body)) throw new Deviation('it sent other bytes');
    },
  },
  {
    name: 'a key that does not exist is refused with 404',
    reliedOn: 'objects that were deleted after they were listed',
    level: 'wanted',
    otherwise: 'Such a file is retried, and fails with another message.',
    async run(trial) {
      expectSame(await statusOf(trial.get('missing')), 404, 'it answers GET with');
      expectSame(await statusOf(trial.head('missing')), 404, 'it answers HEAD with');
    },
  },
];

async function putOne(
  trial: Trial,
  body: string | Buffer,
  more: Parameters<Trial['put']>[2] = {},
): Promise<SourceObject> {
  const key = await trial.put('a', body, more);
  const object = (await trial.listAsConnector()).find((one) => one.key === key);
  if (!object) throw new Deviation(`it does not list ${key}`);
  return object;
}

async function readBytes(
  trial: Trial,
  object: SourceObject,
  part: { offset: number; length?: number } = { offset: 0 },
): Promise<Buffer> {
  const { source, signal } = trial.options;
  return Buffer.concat(await Array.fromAsync(await source.open(object, { ...part, signal })));
}

async function read(...args: Parameters<typeof readBytes>): Promise<string> {
  return (await readBytes(...args)).toString();
}

/** Returns the HTTP status of a refusal; 200 if there is none. */
async function statusOf(request: Promise<unknown>): Promise<number | undefined> {
  try {
    const body = await request;
    if (body) await text(body as AsyncIterable<Buffer>);
    return 200;
  } catch (error) {
    return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
  }
}

async function codeOf(request: Promise<unknown>): Promise<string> {
  return await request.then(
    () => 'success',
    (error: { code?: string }) => error.code ?? String(error),
  );
}
