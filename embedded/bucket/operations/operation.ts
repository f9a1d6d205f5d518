import type { Body } from '../body.ts';
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
  /** The whole object is to be answered, whatever range was asked for. */
  ignoreRange: boolean;
}

export type Handler = (call: Call) => Reply | Promise<Reply>;
