/** The operation ListObjectsV2. */
import { createHmac, randomBytes } from 'node:crypto';
import { S3Error } from '../errors.ts';
import { type ListingOptions, listPage } from '../listing.ts';
import { type Reply, xmlReply } from '../reply.ts';
import { queryValue, type S3Request } from '../request.ts';
import type { StoredObject } from '../store.ts';
import { documentOf, type Elements, escapeText, render } from '../xml.ts';
import type { Call } from './operation.ts';

const MAX_KEYS = 1000;
const MAX_INTEGER = 2 ** 31 - 1;

export function listObjectsV2({ request, store, bucket, order }: Call): Reply {
  const { objects, keys, region } = store.bucket(bucket);
  const options = listingOptions(request);
  const token = queryValue(request, 'continuation-token');
  const startAfter = queryValue(request, 'start-after');
  const page = (order.listing ?? listPage)(keys, options);
  const encoded = encoder(queryValue(request, 'encoding-type'));
  const answer: Elements = [
    ['Name', bucket],
    ['Prefix', encoded(options.prefix)],
    ['StartAfter', startAfter && token === undefined ? encoded(startAfter) : undefined],
    ['ContinuationToken', token],
    ['NextContinuationToken', page.next === undefined ? undefined : toToken(page.next)],
    ['KeyCount', page.keys.length + page.commonPrefixes.length],
    ['MaxKeys', options.maxKeys],
    ['Delimiter', options.delimiter === '' ? undefined : encoded(options.delimiter)],
    ['EncodingType', queryValue(request, 'encoding-type') || undefined],
    ['IsTruncated', page.next !== undefined],
  ];
  const contents = page.keys.map((key) => renderContents(objects.get(key) as StoredObject, encoded));
  for (const prefix of page.commonPrefixes)
    contents.push(render([['CommonPrefixes', [['Prefix', encoded(prefix)]]]]));
  const text = documentOf('ListBucketResult', render(answer) + contents.join(''));
  return xmlReply(text, { 'x-amz-bucket-region': region });
}

// Built as a string instead of with `render`: listings of a million keys spend most of their time here.
function renderContents(
  { key, lastModified, etag, size, headers }: StoredObject,
  encoded: (key: string) => string,
): string {
  const storageClass = headers['x-amz-storage-class'] ?? 'STANDARD';
  return (
    `<Contents><Key>${escapeText(encoded(key))}</Key><LastModified>${lastModified.toISOString()}</LastModified>` +
    `<ETag>&quot;${etag.slice(1, -1)}&quot;</ETag><Size>${size}</Size><StorageClass>${storageClass}</StorageClass></Contents>`
  );
}

function listingOptions(request: S3Request): ListingOptions {
  const token = queryValue(request, 'continuation-token');
  return {
    prefix: queryValue(request, 'prefix') ?? '',
    delimiter: queryValue(request, 'delimiter') ?? '',
    after: token === undefined ? (queryValue(request, 'start-after') ?? '') : fromToken(token),
    byToken: token !== undefined,
    maxKeys: Math.min(parseMaxKeys(queryValue(request, 'max-keys')), MAX_KEYS),
  };
}

function parseMaxKeys(text: string | undefined): number {
  if (!text) return MAX_KEYS;
  const number = Number(text);
  if (/^-?\d+$/.test(text) && number >= 0 && number <= MAX_INTEGER) return number;
  throw new S3Error('InvalidArgument', {
    message: `Argument maxKeys must be an integer between 0 and ${MAX_INTEGER}`,
    fields: { ArgumentName: 'maxKeys', ArgumentValue: text },
  });
}

function encoder(type: string | undefined): (text: string) => string {
  if (!type) return (text) => text;
  if (type === 'url') return encodeKey;
  throw new S3Error('InvalidArgument', {
    message: 'Invalid Encoding Method specified in Request',
    fields: { ArgumentName: 'encoding-type', ArgumentValue: type },
  });
}

/** Encodes a key as S3 does in responses: a space becomes `+`; letters, digits, `-_.*` and `/` stay. */
export function encodeKey(key: string): string {
  return encodeURIComponent(key)
    .replaceAll('%20', '+')
    .replaceAll('%2F', '/')
    .replaceAll(/[!'()~]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`);
}

// Tokens are authenticated (HMAC), so that a client that makes up or changes a token gets an error.
const SEAL_KEY = randomBytes(16);
const SEAL_BYTES = 9;

function toToken(after: string): string {
  return Buffer.concat([seal(after), Buffer.from(after)]).toString('base64');
}

function fromToken(token: string): string {
  const bytes = Buffer.from(token, 'base64');
  const after = bytes.subarray(SEAL_BYTES).toString();
  if (after !== '' && seal(after).equals(bytes.subarray(0, SEAL_BYTES))) return after;
  throw new S3Error('InvalidArgument', {
    message: 'The continuation token provided is incorrect',
    fields: { ArgumentName: 'continuation-token' },
  });
}

function seal(after: string): Buffer {
  return createHmac('sha256', SEAL_KEY).update(after).digest().subarray(0, SEAL_BYTES);
}
