/** Parses S3's answers to LIST requests. */
import type { ListObjectsV2CommandOutput } from '@aws-sdk/client-s3';
import { ConnectorError } from '../errors.ts';
import type { S3Entry } from './s3_entries.ts';
import type { SourceObject } from './source.ts';

/** The answer to one LIST request. Its order is not checked yet. */
export interface S3Page {
  objects: SourceObject[];
  /** The common prefixes, which end in the delimiter. */
  folders: string[];
  /** The token for the next page; undefined for the last page. */
  next: string | undefined;
}

/**
 * Converts an answer. Refuses one that looks like the last page, or an empty one, only because a field is missing: keys that
 * are skipped once are never imported.
 * @param taken the entries, if they were removed from the answer
 * @throws ConnectorError `source_unavailable`
 */
export function toPage(answer: ListObjectsV2CommandOutput, taken: S3Entry[]): S3Page {
  const { Contents: contents = taken, CommonPrefixes: prefixes = [], KeyCount: count } = answer;
  if (answer.IsTruncated === undefined) throw notUnderstood('it does not say whether more keys follow');
  if (answer.IsTruncated && !answer.NextContinuationToken)
    throw notUnderstood('more keys follow, but it has no token to ask for them');
  const found = contents.length + prefixes.length;
  // A smaller count is allowed: some servers do not count folders.
  if (count !== undefined && count > found)
    throw notUnderstood(`it announces ${count} keys and folders, and has ${found}`);
  const decode = answer.EncodingType === 'url' ? decodeKey : (text: string) => text;
  const name = (text: string | undefined) => {
    if (!text) throw notUnderstood('an entry has no key');
    return decode(text);
  };
  const objects = contents.map((entry): SourceObject => {
    // Without its size, the object would look empty, and succeed without rows.
    if (entry.Size === undefined) throw notUnderstood(`the entry ${entry.Key} has no size`);
    const object: SourceObject = {
      key: name(entry.Key),
      etag: entry.ETag ?? '',
      sizeBytes: entry.Size,
      lastModified: entry.LastModified ?? new Date(0),
    };
    if (entry.StorageClass !== undefined) object.storageClass = entry.StorageClass;
    return object;
  });
  return {
    objects,
    folders: prefixes.map(({ Prefix }) => name(Prefix)),
    next: nextToken(answer),
  };
}

/** Returns the token for the next page. Some servers (s3proxy) URL-encode it like the keys; Amazon's tokens have no percent sign. */
export function nextToken(answer: ListObjectsV2CommandOutput): string | undefined {
  const { IsTruncated, EncodingType, NextContinuationToken: token } = answer;
  if (!IsTruncated) return undefined;
  return EncodingType === 'url' && /%[\dA-F]{2}/i.test(token ?? '') ? decodeKey(token!) : token;
}

/** Decodes a key. S3 encodes a space as +, and a plus as %2B: https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjectsV2.html */
export function decodeKey(text: string): string {
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
