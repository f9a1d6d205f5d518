/** The types that all operations share. */
import type { Body } from '../body.ts';
import type { FaultOrder } from '../faults.ts';
import type { Reply } from '../reply.ts';
import type { S3Request } from '../request.ts';
import type { ObjectStore } from '../store.ts';

/** The input of an operation. The request is authorized, and its body is verified. */
export interface Call {
  request: S3Request;
  store: ObjectStore;
  /** Empty if the operation is not for a bucket. */
  bucket: string;
  /** Empty if the operation is not for an object. */
  key: string;
  body: Body;
  /** Whether the request is unsigned. */
  anonymous: boolean;
  /** The fault that applies to the request. Empty: none. */
  order: FaultOrder;
}

export type Handler = (call: Call) => Reply | Promise<Reply>;
