import { randomBytes } from 'node:crypto';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { startBucketServer } from '../../embedded/bucket/server.ts';

/** A server that the conformance suite runs against, with credentials for it. */
export interface Target {
  endpoint: string;
  region: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
  close(): Promise<void>;
}

/** Our own server, with credentials that it verifies. */
export async function ownTarget(): Promise<Target> {
  const credentials = {
    accessKeyId: 'AKIDEXAMPLE',
    secretAccessKey: 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY',
  };
  const region = 'us-east-1';
  const server = await startBucketServer({ credentials: [credentials], region });
  return { endpoint: server.endpoint, region, credentials, close: () => server.close() };
}

/** The server that the environment names, to compare the suite with another implementation of S3. */
export function otherTarget(): Target | undefined {
  const { S3_CONFORMANCE_ENDPOINT, S3_CONFORMANCE_REGION, ...env } = process.env;
  if (!S3_CONFORMANCE_ENDPOINT) return undefined;
  return {
    endpoint: S3_CONFORMANCE_ENDPOINT,
    region: S3_CONFORMANCE_REGION ?? 'us-east-1',
    credentials: {
      accessKeyId: env.S3_CONFORMANCE_ACCESS_KEY_ID ?? '',
      secretAccessKey: env.S3_CONFORMANCE_SECRET_ACCESS_KEY ?? '',
    },
    close: async () => {},
  };
}

/** A client that reports each error at once, without retries. */
export function clientOf(target: Target, config: S3ClientConfig = {}): S3Client {
  const { endpoint, region, credentials } = target;
  return new S3Client({ endpoint, region, credentials, forcePathStyle: true, maxAttempts: 1, ...config });
}

/** A new bucket with a random name; it is deleted with its objects when it is disposed of. */
export async function newBucket(client: S3Client, keys: Iterable<string> = []) {
  const name = `conformance-${randomBytes(8).toString('hex')}`;
  await client.send(new CreateBucketCommand({ Bucket: name }));
  for (const key of keys) await client.send(new PutObjectCommand({ Bucket: name, Key: key, Body: 'x' }));
  return {
    name,
    async [Symbol.asyncDispose]() {
      for (;;) {
        const page = await client.send(new ListObjectsV2Command({ Bucket: name, EncodingType: 'url' }));
        for (const { Key = '' } of page.Contents ?? []) {
          await client.send(new DeleteObjectCommand({ Bucket: name, Key: decodeKey(Key) }));
        }
        if (!page.IsTruncated) break;
      }
      await client.send(new DeleteBucketCommand({ Bucket: name }));
    },
  };
}

/** Decodes keys of a listing with `encoding-type=url`. */
export function decodeKey(text: string): string {
  return decodeURIComponent(text.replaceAll('+', ' '));
}

/** The parts of an SDK error on which servers must agree. */
export async function failureOf(
  promise: Promise<unknown>,
): Promise<{ code: string; status: number | undefined }> {
  try {
    await promise;
  } catch (error) {
    const { name, $metadata } = error as { name: string; $metadata?: { httpStatusCode?: number } };
    return { code: name, status: $metadata?.httpStatusCode };
  }
  throw new Error('it did not fail');
}
