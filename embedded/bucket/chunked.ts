/** Decodes bodies in `Content-Encoding: aws-chunked`, whose chunks may each carry a signature. */
import type { Signer } from './authenticate.ts';
import { S3Error } from './errors.ts';
import { formatScope, hmac, sameSignature, sha256 } from './sigv4.ts';

const EMPTY_HASH = sha256('');
/** The smallest size of every chunk except the last. */
const MIN_CHUNK_BYTES = 8192;
const LINE_END = '\r\n';

export interface Decoded {
  body: Buffer;
  /** The fields after the last chunk, such as `x-amz-checksum-crc32`. */
  trailers: Map<string, string>;
}

export interface Framing {
  /** If it is set, every chunk must carry a valid signature. */
  signer: Signer | undefined;
  trailer: boolean;
}

/**
 * Returns the decoded body and its trailers:
 * https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html
 *
 * @throws S3Error IncompleteBody, InvalidChunkSizeError, MalformedTrailerError, SignatureDoesNotMatch
 */
export function decodeChunked(encoded: Buffer, { signer, trailer }: Framing): Decoded {
  const reader = new LineReader(encoded);
  const signatures = signer ? new SignatureChain(signer) : undefined;
  const chunks: Buffer[] = [];
  for (;;) {
    const [size = '', ...extensions] = reader.line().split(';');
    if (!/^[0-9a-f]+$/i.test(size)) throw new S3Error('IncompleteBody');
    const length = Number.parseInt(size, 16);
    const chunk = reader.bytes(length);
    signatures?.verifyChunk(chunk, extensions.join(';').replace(/^chunk-signature=/, ''));
    if (length === 0) break;
    if ((chunks.at(-1)?.length ?? MIN_CHUNK_BYTES) < MIN_CHUNK_BYTES)
      throw new S3Error('InvalidChunkSizeError');
    chunks.push(chunk);
    if (reader.line() !== '') throw new S3Error('IncompleteBody');
  }
  const trailers = new Map<string, string>();
  for (let line = reader.line(); line !== ''; line = reader.line()) {
    const colon = line.indexOf(':');
    if (colon < 0 || !trailer) throw new S3Error('MalformedTrailerError');
    trailers.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  if (trailer) signatures?.verifyTrailers(trailers);
  trailers.delete('x-amz-trailer-signature');
  return { body: Buffer.concat(chunks), trailers };
}

class LineReader {
  readonly #data: Buffer;
  #offset = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  line(): string {
    const end = this.#data.indexOf(LINE_END, this.#offset, 'latin1');
    if (end < 0) throw new S3Error('IncompleteBody');
    const line = this.#data.toString('latin1', this.#offset, end);
    this.#offset = end + LINE_END.length;
    return line;
  }

  bytes(length: number): Buffer {
    const end = this.#offset + length;
    if (end > this.#data.length) throw new S3Error('IncompleteBody');
    const bytes = this.#data.subarray(this.#offset, end);
    this.#offset = end;
    return bytes;
  }
}

/** Verifies signatures of chunks. Each covers the previous one; the first covers the request's signature. */
class SignatureChain {
  readonly #signer: Signer;
  #previous: string;

  constructor(signer: Signer) {
    this.#signer = signer;
    this.#previous = signer.signature;
  }

  verifyChunk(chunk: Buffer, signature: string): void {
    this.#verify(['AWS4-HMAC-SHA256-PAYLOAD', EMPTY_HASH, sha256(chunk)], signature);
  }

  verifyTrailers(trailers: ReadonlyMap<string, string>): void {
    const signed = [...trailers].filter(([name]) => name !== 'x-amz-trailer-signature');
    const text = signed.map(([name, value]) => `${name}:${value}\n`).join('');
    this.#verify(['AWS4-HMAC-SHA256-TRAILER', sha256(text)], trailers.get('x-amz-trailer-signature') ?? '');
  }

  #verify([algorithm = '', ...hashes]: string[], signature: string): void {
    const { key, timestamp, scope } = this.#signer;
    const toSign = [algorithm, timestamp, formatScope(scope), this.#previous, ...hashes].join('\n');
    if (!sameSignature(signature, hmac(key, toSign).toString('hex'))) {
      throw new S3Error('SignatureDoesNotMatch', { fields: { SignatureProvided: signature } });
    }
    this.#previous = signature;
  }
}
