/** The handler of each operation. */
import type { Operation } from '../route.ts';
import { createBucket, deleteBucket, getBucketLocation, headBucket, listBuckets } from './buckets.ts';
import { listObjectsV2 } from './list_objects.ts';
import type { Handler } from './operation.ts';
import { getObject, headObject } from './read_object.ts';
import { deleteObject, deleteObjects, putObject } from './write_object.ts';

export const HANDLERS: Record<Operation, Handler> = {
  ListBuckets: listBuckets,
  CreateBucket: createBucket,
  DeleteBucket: deleteBucket,
  HeadBucket: headBucket,
  GetBucketLocation: getBucketLocation,
  ListObjectsV2: listObjectsV2,
  GetObject: getObject,
  HeadObject: headObject,
  PutObject: putObject,
  DeleteObject: deleteObject,
  DeleteObjects: deleteObjects,
};
