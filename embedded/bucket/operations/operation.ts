import type { Body } from '../body.ts';
import type { FaultOrder } from '../faults.ts';
import type { Reply } from '../reply.ts';
import type { S3Request } from '../request.ts';
import type { ObjectStore } from '../store.ts';

/** What an operation works with, once the request is authorized and its body verified. */
export interface Call {
  request: S3Request;
  store: ObjectStore;
  /** Empty if the operation is on the service. */
  bucket: string;
  /** Empty if the operation is not on an object. */
  key: string;
  body: Body;
  /** Nobody signed the request. */
  anonymous: boolean;
  /** How the request is to be misunderstood; empty: it is not. */
  order: FaultOrder;
}

export type Handler = (call: Call) => Reply | Promise<Reply>;
