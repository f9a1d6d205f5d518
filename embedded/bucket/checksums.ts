/** Verifies the checksums that a client sends with a body. */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import { S3Error } from './errors.ts';

const HEADER = /^x-amz-checksum-(crc32|crc32c|crc64nvme|sha1|sha256)$/;

const COMPUTE: Record<string, (body: Buffer) => Buffer> = {
  crc32: crc32Of,
  sha1: (body) => createHash('sha1').update(body).digest(),
  sha256: (body) => createHash('sha256').update(body).digest(),
};

/**
 * Compares a body with the checksums in its headers or trailers, and returns these checksums by algorithm.
 *
 * @throws S3Error BadDigest, InvalidDigest, InvalidRequest; NotImplemented for crc32c and crc64nvme
 */
export function verifyChecksums(
  body: Buffer,
  sent: Iterable<readonly [string, string]>,
): Record<string, string> {
  const checksums: Record<string, string> = {};
  for (const [name, value] of sent) {
    if (name === 'content-md5') verifyMd5(body, value);
    const algorithm = HEADER.exec(name)?.[1];
    if (algorithm === undefined) continue;
    const compute = COMPUTE[algorithm];
    if (!compute) throw new S3Error('NotImplemented');
    const computed = compute(body);
    if (Buffer.from(value, 'base64').length !== computed.length) {
      throw new S3Error('InvalidRequest', { message: `Value for ${name} header is invalid.` });
    }
    if (value !== computed.toString('base64')) {
      throw new S3Error('BadDigest', {
        message: `The ${algorithm.toUpperCase()} you specified did not match the calculated checksum.`,
      });
    }
    checksums[algorithm] = value;
  }
  return checksums;
}

function verifyMd5(body: Buffer, value: string): void {
  const expected = Buffer.from(value, 'base64');
  if (expected.length !== 16) throw new S3Error('InvalidDigest', { fields: { 'Content-MD5': value } });
  const computed = createHash('md5').update(body).digest();
  if (!computed.equals(expected)) {
    throw new S3Error('BadDigest', {
      fields: { ExpectedDigest: value, CalculatedDigest: computed.toString('base64') },
    });
  }
}

function crc32Of(body: Buffer): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(body));
  return bytes;
}
