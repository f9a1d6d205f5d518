/** Maps a request to the operation that it asks for. */
import { S3Error } from './errors.ts';
import { queryValue, type S3Request } from './request.ts';

/** S3's names of the operations that the server supports. */
export type Operation =
  | 'ListBuckets'
  | 'CreateBucket'
  | 'DeleteBucket'
  | 'HeadBucket'
  | 'GetBucketLocation'
  | 'ListObjectsV2'
  | 'GetObject'
  | 'HeadObject'
  | 'PutObject'
  | 'DeleteObject'
  | 'DeleteObjects';

/** Query parameters that select another operation than the method alone does. */
const SUBRESOURCES =
  /^(accelerate|acl|analytics|append|attributes|cors|delete|encryption|intelligent-tiering|inventory|legal-hold|lifecycle|location|logging|metadata.*|metrics|notification|object-lock|ownershipControls|partNumber|policy|policyStatus|publicAccessBlock|renameObject|replication|requestPayment|restore|retention|select|select-type|session|tagging|torrent|uploadId|uploads|versionId|versioning|versions|website|write-offset-bytes)$/;

/** Returns the operation of a request, or the error to respond with if the server does not support it. */
export function routeRequest(request: S3Request): Operation | S3Error {
  const { method, bucket, key } = request;
  const subresource = request.query.find(([name]) => SUBRESOURCES.test(name))?.[0];
  if (bucket === undefined) return method === 'GET' ? 'ListBuckets' : notAllowed(request, 'SERVICE');
  if (key === undefined) return routeBucket(request, subresource);
  if (subresource !== undefined) return new S3Error('NotImplemented');
  if (method === 'GET') return 'GetObject';
  if (method === 'HEAD') return 'HeadObject';
  if (method === 'DELETE') return 'DeleteObject';
  if (method !== 'PUT') return notAllowed(request, 'OBJECT');
  const copies = request.message.headers['x-amz-copy-source'] !== undefined;
  return copies ? new S3Error('NotImplemented') : 'PutObject';
}

function routeBucket(request: S3Request, subresource: string | undefined): Operation | S3Error {
  const call = subresource === undefined ? request.method : `${request.method} ?${subresource}`;
  switch (call) {
    case 'GET':
      return queryValue(request, 'list-type') === '2' ? 'ListObjectsV2' : new S3Error('NotImplemented');
    case 'GET ?location':
      return 'GetBucketLocation';
    case 'HEAD':
      return 'HeadBucket';
    case 'PUT':
      return 'CreateBucket';
    case 'DELETE':
      return 'DeleteBucket';
    case 'POST ?delete':
      return 'DeleteObjects';
    default:
      return ['GET', 'PUT', 'POST', 'DELETE', 'HEAD'].includes(request.method)
        ? new S3Error('NotImplemented')
        : notAllowed(request, 'BUCKET');
  }
}

function notAllowed(request: S3Request, resourceType: string): S3Error {
  return new S3Error('MethodNotAllowed', { fields: { Method: request.method, ResourceType: resourceType } });
}
