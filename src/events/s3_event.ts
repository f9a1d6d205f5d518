/** Reads S3's "events": messages about new objects. */
/** An object that an event announces. */
export interface WrittenObject {
  bucket: string;
  key: string;
}

/**
 * Returns the objects that a message announces. It may be an event of S3 (https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html),
 * the same within a message of SNS, or an event of EventBridge. Other messages, for example S3's test event, announce none.
 */
export function writtenObjects(body: string): WrittenObject[] {
  const message = parse(body);
  if (typeof message.Message === 'string') return writtenObjects(message.Message);
  if (message.detail !== undefined) return [toObject(message.detail, (key) => key)].flat();
  if (!Array.isArray(message.Records)) return [];
  // In these events, keys are form-encoded.
  return message.Records.flatMap((record) =>
    toObject(record?.s3, (key) => decodeURIComponent(key.replaceAll('+', ' '))),
  );
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

function toObject(event: unknown, decode: (key: string) => string): WrittenObject[] {
  const { bucket, object } = (event ?? {}) as { bucket?: { name?: unknown }; object?: { key?: unknown } };
  if (typeof bucket?.name !== 'string' || typeof object?.key !== 'string') return [];
  try {
    return [{ bucket: bucket.name, key: decode(object.key) }];
  } catch {
    return [];
  }
}
