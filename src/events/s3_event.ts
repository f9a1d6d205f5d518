/** Reads S3's "events": messages about objects. */
import { storable } from '../db/storable.ts';

/** An event about an object that can be read since. */
export interface ObjectEvent {
  bucket: string;
  key: string;
  /** With its quotes, as in a listing; null if the event has none. */
  etag: string | null;
  /** `created`: written, copied or replicated; `restored`: taken out of an archive. */
  kind: 'created' | 'restored';
}

/** S3 sends one record per message. A message with more than this is not from S3. */
const MAX_RECORDS = 1000;
/** S3's limit, in bytes. */
const MAX_KEY_BYTES = 1024;

/**
 * Returns the events in a message, without those that make no object readable (removed, archived, tagged ...). The message may be one of S3
 * (https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html), the same within a message of SNS,
 * or an event of EventBridge. Other messages, for example S3's test event, have none.
 */
export function objectEvents(body: string): ObjectEvent[] {
  const message = parse(body);
  if (typeof message.Message === 'string') return objectEvents(message.Message);
  if (message.detail !== undefined)
    return toEvent(kindOf(message['detail-type']), message.detail, (key) => key);
  if (!Array.isArray(message.Records) || message.Records.length > MAX_RECORDS) return [];
  return message.Records.flatMap((record) => toEvent(kindOf(record?.eventName), record?.s3, decodeForm));
}

type Json = Record<string, unknown>;

function parse(body: string): Json {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null ? (value as Json) : {};
  } catch {
    return {};
  }
}

/** The names of S3's own events and of EventBridge's. Some servers write `s3:` before them. */
const CREATED = /^(s3:)?ObjectCreated:|^Object Created$/;
const RESTORED = /^(s3:)?ObjectRestore:Completed$|^Object Restore Completed$/;

/** An event without a name may be of any kind. Whether there is an object is found out anyway. */
function kindOf(name: unknown): ObjectEvent['kind'] | undefined {
  if (name === undefined || (typeof name === 'string' && CREATED.test(name))) return 'created';
  return typeof name === 'string' && RESTORED.test(name) ? 'restored' : undefined;
}

/** In S3's own events, keys are form-encoded. */
function decodeForm(key: string): string {
  return decodeURIComponent(key.replaceAll('+', ' '));
}

function toEvent(
  kind: ObjectEvent['kind'] | undefined,
  event: unknown,
  decode: (key: string) => string,
): ObjectEvent[] {
  const { bucket, object } = (event ?? {}) as { bucket?: { name?: unknown }; object?: Json };
  if (kind === undefined || typeof bucket?.name !== 'string' || typeof object?.key !== 'string') return [];
  try {
    const key = decode(object.key);
    // No object has such a name, and PostgreSQL could not store it.
    if ([bucket.name, key].some((name) => storable(name) !== name) || Buffer.byteLength(key) > MAX_KEY_BYTES)
      return [];
    // S3 writes eTag, EventBridge etag.
    return [{ bucket: bucket.name, key, etag: toEtag(object.eTag ?? object.etag), kind }];
  } catch {
    return [];
  }
}

function toEtag(etag: unknown): string | null {
  if (typeof etag !== 'string' || !/^[\x21-\x7e]{1,200}$/.test(etag)) return null;
  return etag.startsWith('"') ? etag : `"${etag}"`;
}
