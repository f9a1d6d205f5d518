/** The operations PutObject, DeleteObject and DeleteObjects. */
import { checkWrite } from '../conditions.ts';
import { S3Error } from '../errors.ts';
import { type Reply, xmlReply } from '../reply.ts';
import { headerValue } from '../request.ts';
import { checkKey } from '../store.ts';
import { contentsOf, document, type Elements, unescapeText } from '../xml.ts';
import type { Call } from './operation.ts';

const KEPT_HEADERS =
  /^(content-type|content-encoding|content-language|content-disposition|cache-control|expires|x-amz-storage-class|x-amz-meta-.+)$/;
const MAX_DELETED_KEYS = 1000;

export function putObject(call: Call): Reply {
  const { request, store, bucket, key, body } = call;
  const lengthIsKnown = request.message.headers['content-length'] !== undefined;
  if (!lengthIsKnown && headerValue(request, 'x-amz-decoded-content-length') === undefined) {
    throw request.message.headers['transfer-encoding'] === undefined
      ? new S3Error('MissingContentLength')
      : new S3Error('NotImplemented', { fields: { Header: 'Transfer-Encoding' } });
  }
  checkKey(key);
  checkWrite(request, store.get(bucket, key));
  const { checksums } = body;
  const sent = Object.keys(checksums).length > 0;
  const object = store.put(bucket, key, body.bytes, {
    headers: keptHeaders(call),
    ...(sent ? { checksums } : {}),
  });
  const headers: Record<string, string> = { etag: object.etag };
  for (const [name, value] of Object.entries(object.checksums)) headers[`x-amz-checksum-${name}`] = value;
  return { status: 200, headers: { ...headers, 'x-amz-checksum-type': 'FULL_OBJECT' } };
}

function keptHeaders({ request }: Call): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const name of Object.keys(request.message.headers)) {
    if (KEPT_HEADERS.test(name)) headers[name] = headerValue(request, name) ?? '';
  }
  // S3 says the class of an object only if it is another one.
  if (headers['x-amz-storage-class'] === 'STANDARD') delete headers['x-amz-storage-class'];
  const codings = headers['content-encoding']?.split(',').map((coding) => coding.trim());
  const kept = codings?.filter((coding) => coding !== '' && coding !== 'aws-chunked').join(',');
  if (kept) headers['content-encoding'] = kept;
  else delete headers['content-encoding'];
  return headers;
}

export function deleteObject({ request, store, bucket, key }: Call): Reply {
  if (headerValue(request, 'if-match') !== undefined) {
    throw new S3Error('NotImplemented', { fields: { Header: 'If-Match' } });
  }
  store.delete(bucket, key);
  return { status: 204 };
}

export function deleteObjects({ store, bucket, body }: Call): Reply {
  if (!body.digested) {
    throw new S3Error('InvalidRequest', {
      message: 'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
    });
  }
  const [xml] = contentsOf(body.bytes.toString(), 'Delete');
  const keys = contentsOf(xml ?? '', 'Object').map((object) => contentsOf(object, 'Key')[0]);
  if (keys.length === 0 || keys.length > MAX_DELETED_KEYS || keys.includes(undefined))
    throw new S3Error('MalformedXML');
  const quiet = contentsOf(xml ?? '', 'Quiet')[0]?.trim() === 'true';
  const deleted: Elements = [];
  for (const escaped of keys) {
    const key = unescapeText(escaped ?? '');
    store.delete(bucket, key);
    if (!quiet) deleted.push(['Deleted', [['Key', key]]]);
  }
  return xmlReply(document('DeleteResult', deleted));
}
