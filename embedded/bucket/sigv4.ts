/**
 * AWS Signature Version 4 as S3 uses it, with each path encoded once:
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { compareKeys } from './keys.ts';
import { decode, type S3Request } from './request.ts';

export const ALGORITHM = 'AWS4-HMAC-SHA256';

/** The scope of a signing key: `20260131/us-east-1/s3/aws4_request`. */
export interface Scope {
  date: string;
  region: string;
  service: string;
  terminator: string;
}

export function formatScope({ date, region, service, terminator }: Scope): string {
  return `${date}/${region}/${service}/${terminator}`;
}

export function sha256(data: string | Buffer): string {
  return createHash('sha256').update(data).digest('hex');
}

export function hmac(key: string | Buffer, data: string): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

export function signingKey(secretAccessKey: string, scope: Scope): Buffer {
  const steps = [scope.date, scope.region, scope.service, scope.terminator];
  return steps.reduce<Buffer>((key, step) => hmac(key, step), Buffer.from(`AWS4${secretAccessKey}`));
}

/** Returns the signature of a request. `payloadHash` is the value of `x-amz-content-sha256`. */
export function signRequest(
  request: S3Request,
  signed: {
    key: Buffer;
    scope: Scope;
    timestamp: string;
    signedHeaders: readonly string[];
    payloadHash: string;
  },
): string {
  const canonical = [
    request.method,
    encode(decode(request.path), true),
    canonicalQuery(request.query),
    ...signed.signedHeaders.map((name) => `${name}:${canonicalHeader(request, name)}`),
    '',
    signed.signedHeaders.join(';'),
    signed.payloadHash,
  ].join('\n');
  const toSign = [ALGORITHM, signed.timestamp, formatScope(signed.scope), sha256(canonical)].join('\n');
  return hmac(signed.key, toSign).toString('hex');
}

export function sameSignature(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}

function canonicalQuery(query: S3Request['query']): string {
  return query
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .sort(compareKeys)
    .join('&');
}

function canonicalHeader(request: S3Request, name: string): string {
  const values = request.message.headersDistinct[name] ?? [];
  return values.map((value) => value.trim().replaceAll(/ +/g, ' ')).join(',');
}

function encode(text: string, keepSlashes = false): string {
  const encoded = encodeURIComponent(text).replaceAll(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return keepSlashes ? encoded.replaceAll('%2F', '/') : encoded;
}
