/** Finds the worker's own region. */
import { S3Client } from '@aws-sdk/client-s3';

const DEFAULT_REGION = 'us-east-1';

let found: Promise<string> | undefined;

/** Returns the region of the environment or of the AWS profile. Without one, it is us-east-1. */
export async function workerRegion(): Promise<string> {
  found ??= findRegion();
  return await found;
}

async function findRegion(): Promise<string> {
  const { AWS_REGION, AWS_DEFAULT_REGION } = process.env;
  return AWS_REGION || AWS_DEFAULT_REGION || (await regionOfProfile());
}

async function regionOfProfile(): Promise<string> {
  // The SDK would prefer even an empty one to the profile's.
  delete process.env.AWS_REGION;
  const client = new S3Client({});
  try {
    return await client.config.region();
  } catch {
    return DEFAULT_REGION;
  } finally {
    client.destroy();
  }
}
