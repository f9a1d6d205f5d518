/** Checks that S3's answers are of the listed version of an object. */
import { ConnectorError } from '../errors.ts';
import type { SourceObject } from './source.ts';

/** The error for an object that is no longer of the listed version. */
export const OBJECT_CHANGED = {
  code: 'object_changed',
  message: 'the object was overwritten after it was listed',
  hint: 'Nothing to do: the next attempt fetches the new version.',
  passing: true,
};

/** The headers of an answer to GET that describe the object. */
export interface Answered {
  ETag?: string | undefined;
  ContentLength?: number | undefined;
  ContentRange?: string | undefined;
}

/**
 * Checks that an answer is of the listed version. A server, or a proxy in front of it, may ignore If-Match. A resumed download
 * could then mix two versions.
 * @throws ConnectorError `object_changed`, `no_etag`
 */
export function checkVersion(object: SourceObject, answer: Answered): void {
  requireEtag(answer.ETag, object.key);
  if (bareEtag(answer.ETag) !== bareEtag(object.etag))
    throw changed(`it was listed with the ETag ${object.etag}, and fetched with ${answer.ETag}`);
  const size = sizeIn(answer);
  if (size !== undefined && size !== object.sizeBytes) throw anotherSize(object, size);
}

/**
 * Requires an ETag.
 * @throws ConnectorError `no_etag`
 */
export function requireEtag(etag: string | undefined, key: string): asserts etag is string {
  if (etag !== undefined && bareEtag(etag) !== '') return;
  throw new ConnectorError(
    'no_etag',
    `the server gives no ETag for ${key}, so its versions cannot be distinguished`,
    {
      hint: 'Configure the S3-compatible server, or the proxy in front of it, to send the ETag in LIST, HEAD and GET answers.',
    },
  );
}

/** Returns the error for an object that has another size than listed. Its ETag does not matter. */
export function anotherSize(object: SourceObject, size: number | string): ConnectorError {
  return changed(`it was listed with ${object.sizeBytes} bytes, and has ${size}`);
}

function changed(how: string): ConnectorError {
  const { code, message, hint, passing } = OBJECT_CHANGED;
  return new ConnectorError(code, `${message}: ${how}`, { hint, passing });
}

/** Returns an ETag without quotes and `W/`: proxies that compress weaken ETags, and some servers omit the quotes. */
export function bareEtag(etag = ''): string {
  return etag.replace(/^W\//, '').replace(/^"(.*)"$/, '$1');
}

/** Returns the size of the whole object; undefined if the answer does not have it. */
function sizeIn({ ContentRange, ContentLength }: Answered): number | undefined {
  if (ContentRange === undefined) return ContentLength;
  const total = /\/(\d+)$/.exec(ContentRange)?.[1];
  return total === undefined ? undefined : Number(total);
}
