/** Sends gzip objects decompressed, as Google Cloud Storage does: https://docs.cloud.google.com/storage/docs/transcoding */
import { gunzipSync } from 'node:zlib';
import { S3Error } from '../errors.ts';
import type { Reply } from '../reply.ts';
import { headerValue, type S3Request } from '../request.ts';
import type { StoredObject } from '../store.ts';

/** Returns the decompressed answer; undefined if the client accepts gzip, or the object is none. */
export function gunzipped(request: S3Request, object: StoredObject, always: boolean): Reply | undefined {
  // The server's front end changes this header before the signature is checked.
  if (/SignedHeaders=[^,]*accept-encoding/.test(headerValue(request, 'authorization') ?? ''))
    throw new S3Error('SignatureDoesNotMatch');
  if (!always && headerValue(request, 'accept-encoding')?.includes('gzip')) return undefined;
  const { 'content-encoding': encoding, ...headers } = object.headers;
  if (encoding !== 'gzip' || !Buffer.isBuffer(object.body)) return undefined;
  return {
    status: 200,
    headers: {
      ...headers,
      etag: object.etag,
      'last-modified': object.lastModified.toUTCString(),
      warning: '214 UploadServer gunzipped',
      'x-goog-stored-content-encoding': 'gzip',
      'x-goog-stored-content-length': String(object.size),
    },
    body: gunzipSync(object.body),
    withoutLength: true,
  };
}
