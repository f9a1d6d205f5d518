/** The operations GetObject and HeadObject. */
import { type FileHandle, open } from 'node:fs/promises';
import { mayRead } from '../conditions.ts';
import { S3Error } from '../errors.ts';
import { type ByteRange, parseRange } from '../range.ts';
import type { Reply, StreamedBody } from '../reply.ts';
import { headerValue } from '../request.ts';
import type { StoredObject } from '../store.ts';
import { gunzipped } from './gunzip.ts';
import type { Call } from './operation.ts';
import { checkCustomerKey, checkRestored } from './protected.ts';

const CHUNK_BYTES = 256 * 1024;

export async function getObject(call: Call): Promise<Reply> {
  const { object, range, reply } = readHead(call);
  if (reply.status === 304 || reply.body) return reply;
  checkRestored(object);
  return { ...reply, body: await openBody(object, range) };
}

/** Returns GetObject's response without the body. `send` drops the body of errors. */
export function headObject(call: Call): Reply {
  const { body: _, ...reply } = readHead(call).reply;
  return reply;
}

interface Head {
  object: StoredObject;
  range: ByteRange;
  reply: Reply;
}

function readHead({ request, store, bucket, key, anonymous, order }: Call): Head {
  const object = store.get(bucket, key);
  if (!object) throw new S3Error('NoSuchKey', { fields: { Key: key } });
  checkCustomerKey(request, object);
  const whole = { start: 0, end: object.size - 1 };
  const { etag = object.etag, ignoreConditions, ignoreRange } = order;
  const validators = {
    ...(etag === null ? {} : { etag }),
    'last-modified': object.lastModified.toUTCString(),
  };
  if (!ignoreConditions && !mayRead(request, object))
    return { object, range: whole, reply: { status: 304, headers: validators } };
  const decompressed = order.gunzip && gunzipped(request, object, order.gunzip === 'always');
  if (decompressed) return { object, range: whole, reply: decompressed };
  const range = ignoreRange ? undefined : parseRange(headerValue(request, 'range'), object.size);
  const { start, end } = range ?? whole;
  const headers: Record<string, string> = {
    'content-type': 'binary/octet-stream',
    ...object.headers,
    ...validators,
    'accept-ranges': 'bytes',
    'content-length': String(end - start + 1),
  };
  if (range) headers['content-range'] = `bytes ${start}-${end}/${object.size}`;
  else if (headerValue(request, 'x-amz-checksum-mode')?.toUpperCase() === 'ENABLED') {
    for (const [name, value] of Object.entries(object.checksums)) headers[`x-amz-checksum-${name}`] = value;
    headers['x-amz-checksum-type'] = 'FULL_OBJECT';
  }
  overrideHeaders(request.query, headers, anonymous);
  return { object, range: { start, end }, reply: { status: range ? 206 : 200, headers } };
}

function overrideHeaders(
  query: Call['request']['query'],
  headers: Record<string, string>,
  anonymous: boolean,
): void {
  for (const [name, value] of query) {
    const header =
      /^response-(content-type|content-language|content-disposition|content-encoding|cache-control|expires)$/.exec(
        name,
      )?.[1];
    if (header === undefined) continue;
    if (anonymous) {
      throw new S3Error('InvalidRequest', {
        message: 'Request specific response headers cannot be used for anonymous GET requests.',
      });
    }
    headers[header] = value;
  }
}

async function openBody({ body }: StoredObject, { start, end }: ByteRange): Promise<Buffer | StreamedBody> {
  if (Buffer.isBuffer(body)) return body.subarray(start, end + 1);
  const length = end - start + 1;
  if (length === 0) return Buffer.alloc(0);
  return { length, chunks: readChunks(await open(body.path), { start, end }) };
}

/** Yields chunks in one shared buffer, to avoid garbage collection: each is valid until the next is requested. */
async function* readChunks(file: FileHandle, { start, end }: ByteRange): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  try {
    for (let position = start; position <= end; ) {
      const wanted = Math.min(CHUNK_BYTES, end + 1 - position);
      const { bytesRead } = await file.read(buffer, 0, wanted, position);
      if (bytesRead === 0) throw new Error('the file is shorter than when it was added to the bucket');
      yield buffer.subarray(0, bytesRead);
      position += bytesRead;
    }
  } finally {
    await file.close();
  }
}
