/** Reads a request's body into memory. */
import type { IncomingMessage } from 'node:http';
import type { Signer } from './authenticate.ts';
import { verifyChecksums } from './checksums.ts';
import { type Decoded, decodeChunked } from './chunked.ts';
import { S3Error } from './errors.ts';
import { headerValue, type S3Request } from './request.ts';
import { sha256 } from './sigv4.ts';

export interface Body {
  bytes: Buffer;
  /** Base64 by algorithm, as the client sent them. All are verified. */
  checksums: Record<string, string>;
  /** Whether the request had a checksum or an MD5 of the body. */
  digested: boolean;
}

/** Returns the decoded body. It verifies every hash, checksum and signature in the request. @throws S3Error */
export async function readBody(request: S3Request, signer: Signer | undefined): Promise<Body> {
  const raw = await readAll(request.message);
  const hash = headerValue(request, 'x-amz-content-sha256') ?? 'UNSIGNED-PAYLOAD';
  const { body, trailers } = hash.startsWith('STREAMING-')
    ? decodeStreaming(request, raw, hash, signer)
    : { body: raw, trailers: new Map<string, string>() };
  const hashed = /^[0-9a-f]{64}$/.test(hash);
  if (hashed && sha256(body) !== hash) {
    throw new S3Error('XAmzContentSHA256Mismatch', {
      fields: { ClientComputedContentSHA256: hash, S3ComputedContentSHA256: sha256(body) },
    });
  }
  if (!hashed && hash !== 'UNSIGNED-PAYLOAD' && !hash.startsWith('STREAMING-')) {
    throw new S3Error('InvalidArgument', {
      message:
        'x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER, or a valid sha256 value.',
    });
  }
  const headers = Object.entries(request.message.headers).map(
    ([name, value]) => [name, String(value)] as const,
  );
  const checksums = verifyChecksums(body, [...headers, ...trailers]);
  const digested = Object.keys(checksums).length > 0 || request.message.headers['content-md5'] !== undefined;
  return { bytes: body, checksums, digested };
}

async function readAll(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk);
  return Buffer.concat(chunks);
}

function decodeStreaming(request: S3Request, raw: Buffer, hash: string, signer: Signer | undefined): Decoded {
  const length = headerValue(request, 'x-amz-decoded-content-length');
  if (length === undefined) throw new S3Error('MissingContentLength');
  const trailer = hash.endsWith('-TRAILER');
  const decoded = decodeChunked(raw, {
    signer: hash.startsWith('STREAMING-AWS4-') ? signer : undefined,
    trailer,
  });
  if (decoded.body.length !== Number(length)) throw new S3Error('IncompleteBody');
  const announced = (headerValue(request, 'x-amz-trailer') ?? '')
    .split(',')
    .map((name) => name.trim().toLowerCase());
  const wrong = announced.filter((name) => name !== '' && !decoded.trailers.has(name));
  const unannounced = [...decoded.trailers.keys()].filter((name) => !announced.includes(name));
  if (wrong.length > 0 || unannounced.length > 0) throw new S3Error('MalformedTrailerError');
  return decoded;
}
