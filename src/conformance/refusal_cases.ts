/** Server cases: refusals whose reasons the connector shows. */
import { randomBytes } from 'node:crypto';
import { ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import { regionOf } from '../sources/s3_errors.ts';
import { Deviation, expectSame } from './deviation.ts';
import type { ServerCase } from './server_case.ts';
import type { Trial } from './trial.ts';

export const REFUSAL_CASES: readonly ServerCase[] = [
  {
    name: 'a bucket that does not exist is reported as NoSuchBucket',
    reliedOn: 'the error bucket_missing',
    level: 'wanted',
    otherwise: 'A wrong bucket name has a less exact message.',
    async run(trial) {
      const Bucket = `no-such-bucket-${randomBytes(6).toString('hex')}`;
      expectSame(await refusalOf(trial, trial.options.client, Bucket), 'NoSuchBucket', 'the error is');
    },
  },
  {
    name: 'a wrong secret key is refused',
    reliedOn: 'the error bad_credentials',
    level: 'wanted',
    otherwise: 'The server does not check signatures: everyone who reaches it can read and write.',
    async run(trial) {
      const client = await trial.options.clientWith({ secretAccessKey: 'wrong' });
      try {
        const refusal = await refusalOf(trial, client, trial.options.bucket);
        expectSame(refusal, 'SignatureDoesNotMatch', 'the error is');
      } finally {
        client.destroy();
      }
    },
  },
  {
    name: 'a wrong region is ignored, or refused with the right one',
    reliedOn: 'connectors without a region, which follow the bucket',
    level: 'wanted',
    otherwise: "Set the connectors' region.",
    async run(trial) {
      const client = await trial.options.clientWith({ region: 'xx-nowhere-1' });
      try {
        await refusalOf(trial, client, trial.options.bucket, (error) => {
          if (regionOf(error) !== undefined) return;
          const { name, message } = error as Error;
          throw new Deviation(`it answers ${name}: ${message}`);
        });
      } finally {
        client.destroy();
      }
    },
  },
];

/** Returns the code of the refusal of a LIST. */
async function refusalOf(
  trial: Trial,
  client: S3Client,
  Bucket: string,
  look: (error: unknown) => void = () => {},
): Promise<string> {
  const command = new ListObjectsV2Command({ Bucket, Prefix: trial.folder, MaxKeys: 1 });
  try {
    await client.send(command, { abortSignal: trial.options.signal });
    return 'none';
  } catch (error) {
    look(error);
    return (error as Error).name;
  }
}
