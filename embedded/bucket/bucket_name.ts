/** Checks names of buckets. */
import { S3Error } from './errors.ts';

/** Reserved: https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
const RESERVED = /^(xn--|sthree-|amzn-s3-demo-)|(-s3alias|--ol-s3|\.mrap|--x-s3|--table-s3)$/;

/** Refuses a name that S3 does not allow. @throws S3Error InvalidBucketName */
export function checkBucketName(name: string): void {
  const wellFormed = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) && !name.includes('..');
  const address = /^\d+\.\d+\.\d+\.\d+$/.test(name);
  if (!wellFormed || address || RESERVED.test(name)) {
    throw new S3Error('InvalidBucketName', { fields: { BucketName: name } });
  }
}
