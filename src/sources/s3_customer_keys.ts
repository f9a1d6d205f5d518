/** The keys of objects that are encrypted with a key of their owner (SSE-C). They come from the worker's environment alone. */
import { ConnectorError } from '../errors.ts';

/** One entry of S3_SSE_C_KEYS. */
export interface CustomerKey {
  /** The origin of the endpoint; null: for connectors without one. */
  endpoint: string | null;
  /** A bucket, or a bucket and a prefix of keys: `bucket/prefix`. */
  place: string;
  /** 32 bytes, in base64. */
  key: string;
}

/** The parameters of a request for an object with a key. */
interface KeyParameters {
  SSECustomerAlgorithm?: 'AES256';
  SSECustomerKey?: string;
}

const ENTRY = /^(?:(https?:\/\/[^/]+)\/)?([^/=].*)=([A-Za-z0-9+/]{43}=)$/;

/** Parses `bucket=key`, `bucket/prefix=key` or `https://host/bucket/prefix=key`. Returns undefined if it is none of them. */
export function parseCustomerKey(text: string): CustomerKey | undefined {
  const [, url, place, key] = ENTRY.exec(text) ?? [];
  if (place === undefined || key === undefined) return undefined;
  if (url === undefined) return { endpoint: null, place, key };
  return URL.canParse(url) && isPrivate(url) ? { endpoint: new URL(url).origin, place, key } : undefined;
}

/**
 * Returns the parameters for reading an object: those of the key with the longest prefix, or none.
 * @param url where the request goes; undefined: to Amazon
 * @throws ConnectorError `object_key_refused` if others could read the key on its way
 */
export function keyParameters(
  keys: readonly CustomerKey[],
  { endpoint, bucket }: { endpoint: string | null; bucket: string },
  { objectKey, url }: { objectKey: string; url: string | undefined },
): KeyParameters {
  const origin = endpoint === null ? null : new URL(endpoint).origin;
  const [found] = keys
    .filter((one) => one.endpoint === origin && isIn(one.place, bucket, objectKey))
    .sort((a, b) => b.place.length - a.place.length);
  if (!found) return {};
  if (url !== undefined && !isPrivate(url)) throw notPrivate(url);
  return { SSECustomerAlgorithm: 'AES256', SSECustomerKey: found.key };
}

function isIn(place: string, bucket: string, objectKey: string): boolean {
  const below = (name: string) => [bucket, name].join('/');
  return place === bucket || (place.startsWith(below('')) && below(objectKey).startsWith(place));
}

/** Whether nobody on the way can read a request: it is encrypted, or does not leave the machine. */
function isPrivate(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'https:' || /^(localhost|127(\.\d+){3}|\[::1\])$/.test(hostname);
}

function notPrivate(url: string): ConnectorError {
  return new ConnectorError(
    'object_key_refused',
    `the key of the object (SSE-C) is not sent to ${new URL(url).origin}, because the connection is not encrypted`,
    { hint: 'Use an endpoint with https.' },
  );
}
