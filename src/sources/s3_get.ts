/**
 * Sends GET requests for objects. The SDK takes several times the CPU time of HTTP for each, which is most of the time of a small
 * file. So it prepares one request for each client and bucket, and signs each, but we send it. It gets every answer that is not the
 * object as the answer to its own first try. So it decides about retries and errors, and counts them.
 */
import type { Readable } from 'node:stream';
import { GetObjectCommand, type GetObjectCommandInput, type S3Client } from '@aws-sdk/client-s3';
import { countS3Request } from '../metrics/counters.ts';
import type { Answered } from './object_version.ts';
import type { Place } from './s3_places.ts';
import { askForGzip, askForStoredBytes, isTranscoded } from './s3_stored_bytes.ts';

/** The parameters that requests for different objects may share. */
export type BucketParameters = Omit<GetObjectCommandInput, 'Key' | 'IfMatch' | 'Range'>;

export interface ObjectRequest {
  parameters: BucketParameters;
  key: string;
  ifMatch: string;
  range: string | undefined;
  place: Place;
  signal: AbortSignal;
}

export interface ObjectAnswer extends Answered {
  Body: Readable;
}

/** @throws the SDK's errors; Transcoded */
export async function getObject(client: S3Client, asked: ObjectRequest): Promise<ObjectAnswer> {
  const first = await tryOnce(client, asked);
  if (first.response !== undefined && isObject(first.response)) {
    countS3Request('GET', 'success');
    return toAnswer(first.response);
  }
  const { parameters, key, ifMatch, range, place, signal } = asked;
  const command = new GetObjectCommand({ ...parameters, Key: key, IfMatch: ifMatch, Range: range });
  askForStoredBytes(command, place);
  answerFirst(command, first);
  return (await client.send(command, { abortSignal: signal })) as ObjectAnswer;
}

type RequestHandler = S3Client['config']['requestHandler'];
type HttpRequest = Parameters<RequestHandler['handle']>[0];
type HttpResponse = Awaited<ReturnType<RequestHandler['handle']>>['response'];

/** What came of a request: an answer, or an error of the connection. */
type FirstTry = { response: HttpResponse; error?: never } | { response?: never; error: unknown };

async function tryOnce(
  client: S3Client,
  { parameters, key, ifMatch, range, place, signal }: ObjectRequest,
): Promise<FirstTry> {
  const { request, sign } = await prepare(client, parameters);
  const path = request.path + encodeKey(key);
  const headers = { ...request.headers, 'if-match': ifMatch, ...(range === undefined ? {} : { range }) };
  const signed = await sign({ ...request, path, headers });
  askForGzip(signed, place);
  try {
    return await client.config.requestHandler.handle(signed, { abortSignal: signal });
  } catch (error) {
    return { error };
  }
}

function isObject({ statusCode, headers }: HttpResponse): boolean {
  return statusCode >= 200 && statusCode < 300 && !isTranscoded(headers);
}

function toAnswer({ headers, body }: HttpResponse): ObjectAnswer {
  const length = headers['content-length'];
  return {
    ETag: headers.etag,
    ContentLength: length === undefined ? undefined : Number(length),
    ContentRange: headers['content-range'],
    Body: body,
  };
}

/** Gives a command what came of the first try, as if it had sent it. */
function answerFirst(command: GetObjectCommand, first: FirstTry): void {
  let tries = 0;
  command.middlewareStack.add(
    (next) => async (args) => {
      if (tries++ > 0) return await next(args);
      if (first.response === undefined) throw first.error;
      return { response: first.response, output: { $metadata: {} } };
    },
    // The last of its kind to be added is the closest to the connection.
    { step: 'deserialize', name: 'answerFirst', priority: 'low' },
  );
}

interface Prepared {
  /** Complete except for the key, at the end of the path, and for headers of the object. */
  request: HttpRequest;
  sign(request: HttpRequest): Promise<HttpRequest>;
}

/** How many buckets of a client are kept. */
const MAX_PREPARED = 1000;
const prepared = new WeakMap<S3Client, Map<string, Promise<Prepared>>>();

/** @throws the SDK's errors about the bucket and the credentials */
function prepare(client: S3Client, parameters: BucketParameters): Promise<Prepared> {
  // A key of an owner is kept nowhere.
  if (parameters.SSECustomerKey !== undefined) return askSdk(client, parameters);
  const ofClient = prepared.get(client) ?? new Map<string, Promise<Prepared>>();
  prepared.set(client, ofClient);
  const name = JSON.stringify(parameters);
  const known = ofClient.get(name);
  if (known) return known;
  if (ofClient.size >= MAX_PREPARED) ofClient.clear();
  const asked = askSdk(client, parameters);
  ofClient.set(name, asked);
  asked.catch(() => ofClient.delete(name));
  return asked;
}

/** Stands for every key. It is the same when it is encoded. */
const ANY_KEY = 'k';

/** The part of the SDK's context that says how it signs. */
interface SigningContext {
  __smithy_context?: {
    selectedHttpAuthScheme?: {
      httpAuthOption: { signingProperties?: object };
      identity: unknown;
      signer: { sign(request: HttpRequest, identity: unknown, properties: object): Promise<HttpRequest> };
    };
  };
}

/** Lets the SDK build a request, and stops it before it would sign and send it. */
async function askSdk(client: S3Client, parameters: BucketParameters): Promise<Prepared> {
  const command = new GetObjectCommand({ ...parameters, Key: ANY_KEY });
  let built: Prepared | undefined;
  command.middlewareStack.add(
    (_, context) => async (args) => {
      const request = args.request as HttpRequest;
      const { httpAuthOption, identity, signer } = (context as SigningContext).__smithy_context!
        .selectedHttpAuthScheme!;
      request.path = request.path.slice(0, -ANY_KEY.length);
      // The signer renews credentials that expire.
      const sign = (one: HttpRequest) => signer.sign(one, identity, httpAuthOption.signingProperties ?? {});
      built = { request, sign };
      return { response: {}, output: { $metadata: {} } };
    },
    // After everything else that builds it.
    { step: 'build', name: 'stopBeforeSigning', priority: 'low' },
  );
  await client.send(command);
  return built!;
}

/** Encodes a key as the SDK does. */
function encodeKey(key: string): string {
  return key.split('/').map(encodeSegment).join('/');
}

function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}
