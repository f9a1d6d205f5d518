/** The operations on buckets. */
import { S3Error } from '../errors.ts';
import { type Reply, xmlReply } from '../reply.ts';
import { queryValue } from '../request.ts';
import { contentsOf, document, type Elements, unescapeText } from '../xml.ts';
import type { Call } from './operation.ts';

const DEFAULT_REGION = 'us-east-1';
const OWNER: Elements = [['ID', 'owner']];

export function listBuckets({ request, store }: Call): Reply {
  for (const name of ['max-buckets', 'continuation-token', 'bucket-region']) {
    if (queryValue(request, name) !== undefined) throw new S3Error('NotImplemented');
  }
  const prefix = queryValue(request, 'prefix') ?? '';
  const buckets = store.buckets().filter(({ name }) => name.startsWith(prefix));
  return xmlReply(
    document('ListAllMyBucketsResult', [
      ['Owner', OWNER],
      [
        'Buckets',
        buckets.map(({ name, created, region }) => [
          'Bucket',
          [
            ['Name', name],
            ['CreationDate', created.toISOString()],
            ['BucketRegion', region],
          ],
        ]),
      ],
      ['Prefix', prefix === '' ? undefined : prefix],
    ]),
  );
}

export function createBucket({ store, bucket, body }: Call): Reply {
  const region = unescapeText(contentsOf(body.bytes.toString(), 'LocationConstraint')[0] ?? '').trim();
  if (store.region !== DEFAULT_REGION && region !== store.region) {
    throw new S3Error('IllegalLocationConstraintException', {
      message: `The ${region || 'unspecified'} location constraint is incompatible for the region specific endpoint this request was sent to.`,
    });
  }
  store.createBucket(bucket, region === '' ? {} : { region });
  return { status: 200, headers: { location: `/${bucket}` } };
}

export function deleteBucket({ store, bucket }: Call): Reply {
  store.deleteBucket(bucket);
  return { status: 204 };
}

export function headBucket({ store, bucket }: Call): Reply {
  return {
    status: 200,
    headers: {
      'content-type': 'application/xml',
      'x-amz-bucket-region': store.bucket(bucket).region,
      'x-amz-access-point-alias': 'false',
    },
  };
}

export function getBucketLocation({ store, bucket }: Call): Reply {
  const { region } = store.bucket(bucket);
  return xmlReply(document('LocationConstraint', region === DEFAULT_REGION ? '' : region));
}
