import { ConnectorError } from '../errors.ts';
import type { SourceObject } from './source.ts';

/** What the answer to a GET says of the object that its bytes are of. */
export interface Answered {
  ETag?: string | undefined;
  ContentLength?: number | undefined;
  ContentRange?: string | undefined;
}

/**
 * Checks that an answer is of the listed version. A server, or a proxy before it, may ignore If-Match; a download that is
 * resumed would then be one file of two versions.
 * @throws ConnectorError `object_changed`, `no_etag`
 */
export function checkVersion(object: SourceObject, answer: Answered): void {
  requireEtag(answer.ETag, object.key);
  if (bareEtag(answer.ETag) !== bareEtag(object.etag))
    throw changed(`it was listed with the ETag ${object.etag}, and came with ${answer.ETag}`);
  const size = sizeIn(answer);
  if (size !== undefined && size !== object.sizeBytes) throw anotherSize(object, size);
}

/** @throws ConnectorError `no_etag` */
export function requireEtag(etag: string | undefined, key: string): asserts etag is string {
  if (etag !== undefined && bareEtag(etag) !== '') return;
  throw new ConnectorError(
    'no_etag',
    `the server gives no ETag for ${key}, so two versions of it cannot be told apart`,
    {
      hint: 'The S3-compatible server, or a proxy before it, must send the ETag in LIST, HEAD and GET answers.',
    },
  );
}

/** The object has other bytes than were listed, whatever its ETag says. */
export function anotherSize(object: SourceObject, size: number | string): ConnectorError {
  return changed(`it was listed with ${object.sizeBytes} bytes, and has ${size}`);
}

function changed(how: string): ConnectorError {
  return new ConnectorError('object_changed', `the object was overwritten after it had been listed: ${how}`, {
    passing: true,
    hint: 'Its new version is fetched in the next attempt.',
  });
}

/** Proxies that compress weaken an ETag, and servers write it with or without quotes. */
function bareEtag(etag = ''): string {
  return etag.replace(/^W\//, '').replace(/^"(.*)"$/, '$1');
}

/** The size of the whole object; undefined where the answer does not say. */
function sizeIn({ ContentRange, ContentLength }: Answered): number | undefined {
  if (ContentRange === undefined) return ContentLength;
  const total = /\/(\d+)$/.exec(ContentRange)?.[1];
  return total === undefined ? undefined : Number(total);
}
