/** Parses requests to S3. */
import type { IncomingMessage } from 'node:http';
import { S3Error } from './errors.ts';

/** How requests name their bucket. Default: in path style, `/bucket/key?query`. */
export interface Addressing {
  /** The path of the endpoint, such as `/s3`. */
  basePath?: string;
  /** Requests to a host below this domain are in virtual-hosted style: `bucket.domain/key`. */
  domain?: string;
  /** Refuse path style with this error, as some providers do. */
  refusesPathStyle?: { status: number; code: string; message: string };
}

export interface S3Request {
  readonly method: string;
  /** As sent, not decoded, with the endpoint's path. */
  readonly path: string;
  /** Undefined: the request is for the service itself. */
  readonly bucket: string | undefined;
  readonly key: string | undefined;
  /** Decoded, in the order sent. */
  readonly query: readonly (readonly [name: string, value: string])[];
  readonly message: IncomingMessage;
}

/**
 * Parses a request. It does not use a URL parser: these normalize `//` and `..`, and S3 does not.
 * @throws S3Error InvalidURI
 */
export function parseRequest(message: IncomingMessage, addressing: Addressing = {}): S3Request {
  const target = message.url ?? '/';
  if (!target.startsWith('/')) throw new S3Error('InvalidURI');
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  const { bucket, key } = split(path, message.headers.host ?? '', addressing);
  return {
    method: message.method ?? 'GET',
    path,
    bucket: bucket === '' ? undefined : decode(bucket),
    key: key === '' ? undefined : decodePlus(key),
    query: mark < 0 ? [] : parseQuery(target.slice(mark + 1)),
    message,
  };
}

function split(
  path: string,
  host: string,
  { basePath = '', domain, refusesPathStyle }: Addressing,
): { bucket: string; key: string } {
  if (!path.startsWith(`${basePath}/`)) throw new S3Error('InvalidURI');
  const rest = path.slice(basePath.length + 1);
  const name = host.replace(/:\d+$/, '');
  if (domain !== undefined && name.endsWith(`.${domain}`))
    return { bucket: name.slice(0, -domain.length - 1), key: rest };
  if (refusesPathStyle) throw new S3Error('AccessDenied', refusesPathStyle);
  const slash = rest.indexOf('/');
  return slash < 0 ? { bucket: rest, key: '' } : { bucket: rest.slice(0, slash), key: rest.slice(slash + 1) };
}

/** Returns the first value of a query parameter. It is an empty string for both `?acl` and `?acl=`. */
export function queryValue(request: S3Request, name: string): string | undefined {
  return request.query.find(([other]) => other === name)?.[1];
}

/** Returns a header's value. Several headers of one name are joined with commas. */
export function headerValue(request: S3Request, name: string): string | undefined {
  return request.message.headersDistinct[name]?.join(',');
}

/** Decodes percent-encoded UTF-8. @throws S3Error InvalidURI */
export function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new S3Error('InvalidURI');
  }
}

// S3 reads a bare + as a space in the path too, not only in the query. Clients send a plus as %2B.
function decodePlus(text: string): string {
  return decode(text.replaceAll('+', ' '));
}

function parseQuery(text: string): [string, string][] {
  return text
    .split('&')
    .filter((part) => part !== '')
    .map((part) => {
      const equals = part.indexOf('=');
      if (equals < 0) return [decodePlus(part), ''];
      return [decodePlus(part.slice(0, equals)), decodePlus(part.slice(equals + 1))];
    });
}
