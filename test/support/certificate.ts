/** Makes self-signed certificates, as a small DER encoder: Node can sign, but has no certificates to make. */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';

/** A server's key and certificate, as PEM. The certificate is its own authority. */
export interface Identity {
  key: string;
  cert: string;
}

const OIDS = {
  ecdsaWithSha256: '06082a8648ce3d040302',
  commonName: '0603550403',
  basicConstraints: '0603551d13',
  subjectAltName: '0603551d11',
};

/** Returns an identity for 127.0.0.1 and localhost, valid for a day. */
export function makeIdentity(): Identity {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const name = der(0x30, der(0x31, der(0x30, hex(OIDS.commonName), der(0x0c, Buffer.from('test server')))));
  const signature = der(0x30, hex(OIDS.ecdsaWithSha256));
  const extensions = der(
    0x30,
    // critical, CA:TRUE
    der(0x30, hex(OIDS.basicConstraints), hex('0101ff'), der(0x04, der(0x30, hex('0101ff')))),
    der(
      0x30,
      hex(OIDS.subjectAltName),
      der(0x04, der(0x30, der(0x82, Buffer.from('localhost')), der(0x87, Buffer.from([127, 0, 0, 1])))),
    ),
  );
  const body = der(
    0x30,
    der(0xa0, hex('020102')),
    der(0x02, Buffer.concat([Buffer.from([1]), randomBytes(8)])),
    signature,
    name,
    der(0x30, time(-3_600_000), time(24 * 3_600_000)),
    name,
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, extensions),
  );
  const bits = Buffer.concat([Buffer.from([0]), sign('sha256', body, privateKey)]);
  const certificate = der(0x30, body, signature, der(0x03, bits));
  const lines = certificate.toString('base64').match(/.{1,64}/g)!;
  return {
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n'),
  };
}

function der(tag: number, ...parts: Buffer[]): Buffer {
  const content = Buffer.concat(parts);
  const { length } = content;
  const head =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from([tag, ...head]), content]);
}

function hex(text: string): Buffer {
  return Buffer.from(text, 'hex');
}

/** @param ms from now */
function time(ms: number): Buffer {
  const text = new Date(Date.now() + ms).toISOString().replace(/[-:T]|\.\d+/g, '');
  return der(0x18, Buffer.from(text));
}
