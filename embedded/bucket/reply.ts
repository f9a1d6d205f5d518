/** Responses: with an XML body, with a streamed body, or with an error document. */
import { S3Error } from './errors.ts';
import { errorDocument } from './xml.ts';

/** A body that is read while it is sent. */
export interface StreamedBody {
  length: number;
  chunks: AsyncIterable<Buffer>;
}

/** A response that is ready to send. */
export interface Reply {
  status: number;
  headers?: Record<string, string>;
  body?: Buffer | StreamedBody;
  /** Without Content-Length, in chunks. */
  withoutLength?: true;
}

export function xmlReply(text: string, headers: Record<string, string> = {}): Reply {
  return { status: 200, headers: { 'content-type': 'application/xml', ...headers }, body: Buffer.from(text) };
}

export interface ErrorReply {
  code: string;
  message: string;
  status: number;
  fields?: Record<string, string>;
  headers?: Record<string, string>;
}

/** Returns a response with S3's error document. */
export function errorReply(
  { code, message, status, fields = {}, headers = {} }: ErrorReply,
  requestId: string,
): Reply {
  const body = errorDocument([
    ['Code', code],
    ['Message', message],
    ...Object.entries(fields),
    ['RequestId', requestId],
    ['HostId', requestId],
  ]);
  return { ...xmlReply(body, headers), status };
}

/** Returns the error as an S3Error. An unexpected error becomes InternalError. */
export function asS3Error(error: unknown): S3Error {
  if (error instanceof S3Error) return error;
  return new S3Error('InternalError', { message: `the server failed: ${error}` });
}
