/** An S3 server in memory, for tests, the demo and the benchmarks. Tests can order faults. */
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { applyFault } from './apply_fault.ts';
import type { Credentials } from './authenticate.ts';
import { type Access, authorize } from './authorize.ts';
import { readBody } from './body.ts';
import { S3Error } from './errors.ts';
import { Faults, type LiveFault } from './faults.ts';
import { HANDLERS } from './operations/index.ts';
import { asS3Error, errorReply, type Reply } from './reply.ts';
import { type Addressing, parseRequest, type S3Request } from './request.ts';
import { type LoggedRequest, RequestLog } from './request_log.ts';
import { type Operation, routeRequest } from './route.ts';
import { send } from './send.ts';
import { ObjectStore } from './store.ts';

export interface BucketServerOptions {
  /** Default: 127.0.0.1. */
  host?: string;
  /** Default: any free port. */
  port?: number;
  /** The credentials that may sign requests. Default: everything is allowed, also unsigned. */
  credentials?: Credentials[];
  /** The region of the endpoint, and of buckets that are created without one. Default: us-east-1. */
  region?: string;
  /** Names of buckets that unsigned requests may list and read. */
  anonymousBuckets?: string[];
  /** Default: path style only. */
  addressing?: Addressing;
}

/** A running server. */
export interface BucketServer {
  /** For example `http://127.0.0.1:34567`, without the path that `addressing` may have. */
  readonly endpoint: string;
  readonly store: ObjectStore;
  readonly faults: Faults;
  readonly requests: RequestLog;
  /** Closes all connections, also stalled ones, and accepts no new ones. */
  close(): Promise<void>;
  /** Accepts connections again, on the same port. */
  open(): Promise<void>;
}

/** Starts a server that responds as Amazon S3 does, except where a fault is ordered. */
export async function startBucketServer(options: BucketServerOptions = {}): Promise<BucketServer> {
  const { host = '127.0.0.1', port = 0, credentials, region = 'us-east-1', anonymousBuckets = [] } = options;
  const { addressing = {} } = options;
  const store = new ObjectStore(region);
  const faults = new Faults();
  const requests = new RequestLog();
  const access: Access = { credentials, anonymousBuckets: new Set(anonymousBuckets) };
  const server = createServer((message, response) => {
    serve(message, response, { store, faults, requests, access, addressing }).catch(() => response.destroy());
  });
  // If the server closed an idle connection just as its client reuses it, that would look like a fault.
  server.keepAliveTimeout = 0;
  server.requestTimeout = 0;
  server.headersTimeout = 0;
  await listen(server, port, host);
  const { port: actualPort } = server.address() as AddressInfo;
  return {
    endpoint: `http://${host.includes(':') ? `[${host}]` : host}:${actualPort}`,
    store,
    faults,
    requests,
    close: () => close(server, faults),
    open: () => listen(server, actualPort, host),
  };
}

async function listen(server: Server, port: number, host: string): Promise<void> {
  if (server.listening) return;
  server.listen(port, host);
  await once(server, 'listening');
}

async function close(server: Server, faults: Faults): Promise<void> {
  faults.clear();
  if (!server.listening) return;
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}

interface Context {
  store: ObjectStore;
  faults: Faults;
  requests: RequestLog;
  access: Access;
  addressing: Addressing;
}

async function serve(message: IncomingMessage, response: ServerResponse, context: Context): Promise<void> {
  const requestId = randomBytes(8).toString('hex').toUpperCase();
  const withBody = message.method !== 'HEAD';
  response.setHeader('server', 'AmazonS3');
  response.setHeader('x-amz-request-id', requestId);
  response.setHeader('x-amz-id-2', requestId);
  let request: S3Request;
  try {
    request = parseRequest(message, context.addressing);
  } catch (error) {
    return await send(response, errorReply(asS3Error(error), requestId), { withBody });
  }
  const operation = routeRequest(request);
  const logged = logEntry(request, operation);
  context.requests.add(logged);
  const fault = context.faults.take(logged);
  const reply = await respond(request, operation, { ...context, fault, logged, response, requestId });
  if (!reply || response.destroyed) return;
  logged.status = reply.status;
  await send(response, reply, { withBody, ...(fault ? { fault } : {}) });
}

interface Exchange extends Context {
  fault: LiveFault | undefined;
  logged: LoggedRequest;
  response: ServerResponse;
  requestId: string;
}

/** Returns the response, or undefined if the connection was closed instead. */
async function respond(
  request: S3Request,
  operation: Operation | S3Error,
  { fault, logged, response, requestId, ...context }: Exchange,
): Promise<Reply | undefined> {
  try {
    const ordered = await applyFault(fault, logged, response, requestId);
    if (ordered || response.destroyed) return ordered;
    return await answer(request, operation, { ...context, fault });
  } catch (error) {
    const s3Error = asS3Error(error);
    logged.errorCode = s3Error.code;
    return errorReply(s3Error, requestId);
  }
}

async function answer(
  request: S3Request,
  operation: Operation | S3Error,
  { store, access, fault }: Omit<Context, 'addressing'> & { fault: LiveFault | undefined },
): Promise<Reply> {
  const signer = authorize(request, operation, { store, access });
  const body = await readBody(request, signer);
  if (operation instanceof S3Error) throw operation;
  const { bucket = '', key = '' } = request;
  const anonymous = signer === undefined && access.credentials !== undefined;
  return HANDLERS[operation]({ request, store, bucket, key, body, anonymous, order: fault?.order ?? {} });
}

function logEntry(request: S3Request, operation: Operation | S3Error): LoggedRequest {
  const { authorization: _, ...headers } = request.message.headers as Record<string, string>;
  return {
    operation: operation instanceof S3Error ? undefined : operation,
    method: request.method,
    bucket: request.bucket,
    key: request.key,
    query: Object.fromEntries(request.query),
    headers,
    status: undefined,
    errorCode: undefined,
  };
}
