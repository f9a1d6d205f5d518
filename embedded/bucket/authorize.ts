/** Decides whether a request is allowed: it checks the signature, the region, the bucket and anonymous access. */
import { type Credentials, readClaim, type Signer, verifyClaim } from './authenticate.ts';
import { checkBucketName } from './bucket_name.ts';
import { S3Error } from './errors.ts';
import { headerValue, type S3Request } from './request.ts';
import type { Operation } from './route.ts';
import type { ObjectStore } from './store.ts';

export interface Access {
  /** Undefined: everything is allowed, and signatures are not verified. */
  credentials: readonly Credentials[] | undefined;
  /** Buckets that unsigned requests may list and read. */
  anonymousBuckets: ReadonlySet<string>;
}

const ANONYMOUS: ReadonlySet<Operation> = new Set<Operation>([
  'ListObjectsV2',
  'GetObject',
  'HeadObject',
  'HeadBucket',
]);

/** Returns the signer of the request, or undefined if none is needed. @throws S3Error if the request is not allowed */
export function authorize(
  request: S3Request,
  operation: Operation | S3Error,
  { store, access }: { store: ObjectStore; access: Access },
): Signer | undefined {
  const claim = readClaim(request);
  if (claim) checkSigningRegion(claim.scope.region, request.bucket, store);
  const signer = claim && access.credentials ? verifyClaim(request, claim, access.credentials) : undefined;
  if (request.bucket !== undefined && operation !== 'CreateBucket') {
    findBucket(request.bucket, store);
    checkBucketRegion(claim?.scope.region ?? store.region, request.bucket, store);
    checkPayer(request, store.bucket(request.bucket).requesterPays);
  }
  if (signer || !access.credentials) return signer;
  const open = request.bucket !== undefined && access.anonymousBuckets.has(request.bucket);
  if (!open || operation instanceof S3Error || !ANONYMOUS.has(operation)) throw new S3Error('AccessDenied');
  return undefined;
}

function findBucket(name: string, store: ObjectStore): void {
  if (store.hasBucket(name)) return;
  checkBucketName(name);
  throw new S3Error('NoSuchBucket', { fields: { BucketName: name } });
}

function checkPayer(request: S3Request, requesterPays: boolean): void {
  if (requesterPays && headerValue(request, 'x-amz-request-payer') !== 'requester')
    throw new S3Error('AccessDenied');
}

// The single endpoint has the store's region. It also accepts requests signed for the bucket's own region: a client
// with a custom endpoint that learns the bucket's region retries at the same endpoint.
function checkSigningRegion(signed: string, bucket: string | undefined, store: ObjectStore): void {
  const expected = regionOf(bucket, store);
  if (signed === expected || signed === store.region) return;
  throw new S3Error('AuthorizationHeaderMalformed', {
    message: `The authorization header is malformed; the region '${signed}' is wrong; expecting '${expected}'`,
    fields: { Region: expected },
    headers: { 'x-amz-bucket-region': expected },
  });
}

function checkBucketRegion(signed: string, bucket: string, store: ObjectStore): void {
  const region = regionOf(bucket, store);
  if (signed === region) return;
  throw new S3Error('PermanentRedirect', {
    fields: { Endpoint: `${bucket}.s3.${region}.amazonaws.com`, Bucket: bucket },
    headers: { 'x-amz-bucket-region': region },
  });
}

function regionOf(bucket: string | undefined, store: ObjectStore): string {
  return bucket !== undefined && store.hasBucket(bucket) ? store.bucket(bucket).region : store.region;
}
