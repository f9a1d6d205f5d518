/** Refuses reads of objects that are archived, or encrypted with their owner's key (SSE-C). */
import { createHash } from 'node:crypto';
import { S3Error } from '../errors.ts';
import { headerValue, type S3Request } from '../request.ts';
import type { StoredObject } from '../store.ts';

const ARCHIVES = new Set(['GLACIER', 'DEEP_ARCHIVE']);

/** Refuses to send the bytes of an archived object that is not restored. @throws S3Error InvalidObjectState */
export function checkRestored({ headers }: StoredObject): void {
  const storageClass = headers['x-amz-storage-class'] ?? 'STANDARD';
  const isRestored = headers['x-amz-restore']?.includes('ongoing-request="false"') ?? false;
  const isArchived = ARCHIVES.has(storageClass) || headers['x-amz-archive-status'] !== undefined;
  if (isArchived && !isRestored)
    throw new S3Error('InvalidObjectState', { fields: { StorageClass: storageClass } });
}

/** Requires the object's own key in the request, and no key if it has none. @throws S3Error InvalidRequest, AccessDenied */
export function checkCustomerKey(request: S3Request, { customerKey }: StoredObject): void {
  const names = ['algorithm', 'key', 'key-md5'];
  const [algorithm, key, md5] = names.map((name) =>
    headerValue(request, `x-amz-server-side-encryption-customer-${name}`),
  );
  if (customerKey === undefined) {
    if (key === undefined) return;
    throw new S3Error('InvalidRequest', {
      message: 'The encryption parameters are not applicable to this object.',
    });
  }
  if (algorithm !== 'AES256' || key === undefined || md5 === undefined) {
    throw new S3Error('InvalidRequest', {
      message:
        'The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.',
    });
  }
  const sent = Buffer.from(key, 'base64');
  if (createHash('md5').update(sent).digest('base64') !== md5) {
    throw new S3Error('InvalidArgument', {
      message: 'The calculated MD5 hash of the key did not match the hash that was provided.',
    });
  }
  if (!sent.equals(customerKey)) throw new S3Error('AccessDenied');
}
