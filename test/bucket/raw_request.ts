import { createHash, createHmac } from 'node:crypto';
import { once } from 'node:events';
import { type IncomingHttpHeaders, request } from 'node:http';
import type { Target } from './target.ts';

/** A request that no SDK would send. */
export interface RawRequest {
  method?: string;
  /** The path as it is sent, already encoded. */
  path: string;
  headers?: Record<string, string>;
  /** Headers that are sent without being signed. */
  unsignedHeaders?: Record<string, string>;
  body?: string | Buffer;
  /** `x-amz-content-sha256`; the body's own hash if omitted. */
  payloadHash?: string;
  /** Sends no signature and none of its headers. */
  unsigned?: boolean;
  /** Creates the body from the request's signature, on which the first chunk's signature builds. */
  signedBody?: (seed: ChunkSeed) => string;
}

export interface ChunkSeed {
  signature: string;
  timestamp: string;
  scope: string;
  key: Buffer;
}

export interface RawAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

export const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex');
export const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data).digest();

/** Sends a request over its own connection, signed by an independent implementation of Signature Version 4. */
export async function sendRaw(target: Target, raw: RawRequest): Promise<RawAnswer> {
  const { method = 'GET', path } = raw;
  const { host } = new URL(target.endpoint);
  const payloadHash = raw.payloadHash ?? sha256(raw.body ?? '');
  const timestamp = new Date().toISOString().replaceAll(/[-:]|\.\d+/g, '');
  const headers: Record<string, string> = raw.unsigned
    ? { host, ...raw.headers }
    : { host, 'x-amz-date': timestamp, 'x-amz-content-sha256': payloadHash, ...raw.headers };
  let body = raw.body ?? '';
  if (!raw.unsigned) {
    const seed = sign(target, { method, path, headers, payloadHash, timestamp });
    headers.authorization = seed.authorization;
    if (raw.signedBody) body = raw.signedBody(seed);
  }
  Object.assign(headers, raw.unsignedHeaders);
  if (!('content-length' in headers)) headers['content-length'] = String(Buffer.byteLength(body));
  const sent = request(target.endpoint, { method, path, headers, agent: false });
  sent.end(body);
  const [response] = await once(sent, 'response');
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks).toString() };
}

interface ToSign {
  method: string;
  path: string;
  headers: Record<string, string>;
  payloadHash: string;
  timestamp: string;
}

function sign(target: Target, { method, path, headers, payloadHash, timestamp }: ToSign) {
  const { accessKeyId, secretAccessKey } = target.credentials;
  const scope = `${timestamp.slice(0, 8)}/${target.region}/s3/aws4_request`;
  const [uri = '', query = ''] = path.split('?');
  const sortedQuery = query.split('&').map((part) => (part.includes('=') || part === '' ? part : `${part}=`));
  const names = Object.keys(headers).sort();
  const canonical = [
    method,
    uri,
    sortedQuery.sort().join('&'),
    ...names.map((name) => `${name}:${headers[name]}`),
    '',
    names.join(';'),
    payloadHash,
  ].join('\n');
  const key = scope
    .split('/')
    .reduce<Buffer>((secret, part) => hmac(secret, part), Buffer.from(`AWS4${secretAccessKey}`));
  const signature = hmac(key, ['AWS4-HMAC-SHA256', timestamp, scope, sha256(canonical)].join('\n')).toString(
    'hex',
  );
  const authorization = `AWS4-HMAC-SHA256 Credential=${accessKeyId}/${scope}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
  return { authorization, signature, timestamp, scope, key };
}

/** Returns the text of the first element with that name. */
export function elementOf(xml: string, name: string): string | undefined {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1];
}
