/** An object that S3 says was written. */
export interface WrittenObject {
  bucket: string;
  key: string;
}

/**
 * The objects that a message names: one of S3's own (https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html),
 * the same within one of SNS, or one of EventBridge. Of any other, such as S3's test of a new notification, there are none.
 */
export function writtenObjects(body: string): WrittenObject[] {
  const message = parse(body);
  if (typeof message.Message === 'string') return writtenObjects(message.Message);
  if (message.detail !== undefined) return [toObject(message.detail, (key) => key)].flat();
  if (!Array.isArray(message.Records)) return [];
  // Here keys are encoded as in a form.
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

function toObject(told: unknown, decode: (key: string) => string): WrittenObject[] {
  const { bucket, object } = (told ?? {}) as { bucket?: { name?: unknown }; object?: { key?: unknown } };
  if (typeof bucket?.name !== 'string' || typeof object?.key !== 'string') return [];
  try {
    return [{ bucket: bucket.name, key: decode(object.key) }];
  } catch {
    return [];
  }
}
