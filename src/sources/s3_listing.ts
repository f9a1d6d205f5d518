import type { ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { ConnectorError } from '../errors.ts';
import type { S3Entry } from './s3_entries.ts';
import type { SourceObject } from './source.ts';

/** The answer to one LIST request, as the server gave it: nothing of its order is checked yet. */
export interface S3Page {
  objects: SourceObject[];
  /** What the delimiter rolled up: prefixes that end in it. */
  folders: string[];
  /** The token that asks for the page after it; undefined: it is the last. */
  next: string | undefined;
}

/**
 * Reads S3's answer to a LIST request. What looks like the last page, or an empty one, only because something of it
 * is missing is refused: keys that are skipped once are never seen again.
 * @param taken the entries, where they are not in the answer
 * @throws ConnectorError `source_unavailable`
 */
export function toPage(answer: ListObjectsV2CommandOutput, taken: S3Entry[]): S3Page {
  const { Contents: contents = taken, CommonPrefixes: prefixes = [], KeyCount: count } = answer;
  if (answer.IsTruncated === undefined) throw notUnderstood('it does not say whether more keys follow');
  if (answer.IsTruncated && !answer.NextContinuationToken)
    throw notUnderstood('more keys follow, but it has no token to ask for them');
  const found = contents.length + prefixes.length;
  // Fewer is a habit of servers that do not count folders.
  if (count !== undefined && count > found)
    throw notUnderstood(`it announces ${count} keys and folders, and has ${found}`);
  const decode = answer.EncodingType === 'url' ? decodeKey : (text: string) => text;
  const name = (text: string | undefined) => {
    if (!text) throw notUnderstood('an entry has no key');
    return decode(text);
  };
  const objects = contents.map((entry): SourceObject => {
    // Without its size it would pass for an empty object, and be a success without rows.
    if (entry.Size === undefined) throw notUnderstood(`the entry ${entry.Key} has no size`);
    return {
      key: name(entry.Key),
      etag: entry.ETag ?? '',
      sizeBytes: entry.Size,
      lastModified: entry.LastModified ?? new Date(0),
    };
  });
  return {
    objects,
    folders: prefixes.map(({ Prefix }) => name(Prefix)),
    next: answer.IsTruncated ? answer.NextContinuationToken : undefined,
  };
}

/** S3 writes a space as +, and a plus as %2B: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html */
function decodeKey(text: string): string {
  if (!/[%+]/.test(text)) return text;
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw notUnderstood(`the key ${text} is not URL-encoded`);
  }
}

function notUnderstood(why: string): ConnectorError {
  return new ConnectorError('source_unavailable', `S3's answer to a LIST request is incomplete: ${why}`, {
    passing: true,
  });
}
