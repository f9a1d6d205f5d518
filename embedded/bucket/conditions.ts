/** Evaluates the conditional headers of reads and writes, such as If-Match. */
import { S3Error } from './errors.ts';
import { headerValue, type S3Request } from './request.ts';
import type { StoredObject } from './store.ts';

/**
 * Returns whether to send the object; false means 304 (not modified). If-Match takes precedence over
 * If-Unmodified-Since, and If-None-Match over If-Modified-Since (https://www.rfc-editor.org/rfc/rfc7232#section-6).
 *
 * @throws S3Error PreconditionFailed
 */
export function mayRead(request: S3Request, object: StoredObject): boolean {
  const ifMatch = headerValue(request, 'if-match');
  const unmodifiedSince = dateOf(request, 'if-unmodified-since');
  if (ifMatch !== undefined) {
    if (!matches(ifMatch, object)) throw preconditionFailed('If-Match');
  } else if (unmodifiedSince !== undefined && object.lastModified.getTime() > unmodifiedSince) {
    throw preconditionFailed('If-Unmodified-Since');
  }
  const ifNoneMatch = headerValue(request, 'if-none-match');
  const modifiedSince = dateOf(request, 'if-modified-since');
  if (ifNoneMatch !== undefined) return !matches(ifNoneMatch, object);
  return modifiedSince === undefined || object.lastModified.getTime() > modifiedSince;
}

/** Refuses a write whose conditions do not hold. @throws S3Error PreconditionFailed, NoSuchKey, NotImplemented */
export function checkWrite(request: S3Request, current: StoredObject | undefined): void {
  const ifNoneMatch = headerValue(request, 'if-none-match');
  if (ifNoneMatch !== undefined) {
    if (ifNoneMatch !== '*') throw new S3Error('NotImplemented', { fields: { Header: 'If-None-Match' } });
    if (current) throw preconditionFailed('If-None-Match');
  }
  const ifMatch = headerValue(request, 'if-match');
  if (ifMatch === undefined) return;
  if (!current) throw new S3Error('NoSuchKey');
  if (!matches(ifMatch, current)) throw preconditionFailed('If-Match');
}

function preconditionFailed(condition: string): S3Error {
  return new S3Error('PreconditionFailed', { fields: { Condition: condition } });
}

function matches(header: string, object: StoredObject): boolean {
  const unquoted = object.etag.slice(1, -1);
  const etags = header.split(',').map((etag) => etag.trim().replace(/^W\//, ''));
  return etags.some((etag) => etag === '*' || etag === object.etag || etag === unquoted);
}

function dateOf(request: S3Request, name: string): number | undefined {
  const time = Date.parse(headerValue(request, name) ?? '');
  return Number.isNaN(time) ? undefined : time;
}
