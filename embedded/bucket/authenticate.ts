/**
 * Verifies who signed a request, by AWS Signature Version 4 in headers or in a presigned URL.
 * A "claim" is what the request says about its signer; a "signer" is a verified claim.
 */
import { S3Error } from './errors.ts';
import { headerValue, queryValue, type S3Request } from './request.ts';
import { ALGORITHM, formatScope, type Scope, sameSignature, signingKey, signRequest } from './sigv4.ts';

const MAX_SKEW_MS = 15 * 60 * 1000;
const MAX_EXPIRES_SECONDS = 7 * 24 * 60 * 60;

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  /** Only for temporary credentials. Their requests must carry it. */
  sessionToken?: string;
  /** Only for temporary credentials. Requests that they sign after this time are refused. */
  expiresAt?: Date;
}

export interface Claim {
  accessKeyId: string;
  scope: Scope;
  signedHeaders: string[];
  signature: string;
  /** As in `20260131T235959Z`. */
  timestamp: string;
  /** As in `x-amz-content-sha256`. */
  payloadHash: string;
  /** Only in a presigned URL. */
  expiresSeconds?: number;
}

export interface Signer extends Claim {
  /** Signs the chunks of the body. */
  key: Buffer;
}

/** Returns the claim of a request, or undefined if it is not signed. @throws S3Error if the signature cannot be parsed */
export function readClaim(request: S3Request, service: 's3' | 'sts' = 's3'): Claim | undefined {
  if (headerValue(request, 'authorization') !== undefined) return claimOfHeaders(request, service);
  if (queryValue(request, 'X-Amz-Algorithm') !== undefined) return claimOfQuery(request);
  return undefined;
}

function claimOfHeaders(request: S3Request, service: string): Claim {
  const authorization = headerValue(request, 'authorization') ?? '';
  if (!authorization.startsWith(`${ALGORITHM} `)) {
    throw authorization.startsWith('AWS ')
      ? new S3Error('InvalidRequest', {
          message: `The authorization mechanism you have provided is not supported. Please use ${ALGORITHM}.`,
        })
      : new S3Error('InvalidArgument', { message: 'Unsupported Authorization Type' });
  }
  const parts = authorization.slice(ALGORITHM.length).split(',');
  const fields = new Map(parts.map((part) => part.trim().split(/=(.*)/s, 2) as [string, string]));
  const [credential, signedHeaders, signature] = ['Credential', 'SignedHeaders', 'Signature'].map((n) =>
    fields.get(n),
  );
  if (!credential || !signedHeaders || !signature) throw new S3Error('AuthorizationHeaderMalformed');
  const timestamp = headerValue(request, 'x-amz-date');
  if (timestamp === undefined) {
    throw new S3Error('AccessDenied', {
      message: 'AWS authentication requires a valid Date or x-amz-date header',
    });
  }
  const payloadHash = headerValue(request, 'x-amz-content-sha256');
  if (payloadHash === undefined) {
    throw new S3Error('InvalidRequest', {
      message: 'Missing required header for this request: x-amz-content-sha256',
    });
  }
  return {
    ...parseCredential(credential, service, 'AuthorizationHeaderMalformed'),
    signedHeaders: signedHeaders.split(';'),
    signature,
    timestamp,
    payloadHash,
  };
}

function claimOfQuery(request: S3Request): Claim {
  const value = (name: string): string => {
    const found = queryValue(request, `X-Amz-${name}`);
    if (found) return found;
    throw new S3Error('AuthorizationQueryParametersError', {
      message:
        'Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.',
    });
  };
  const expiresSeconds = Number(value('Expires'));
  if (!(expiresSeconds >= 0 && expiresSeconds <= MAX_EXPIRES_SECONDS)) {
    throw new S3Error('AuthorizationQueryParametersError', {
      message:
        'X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds',
    });
  }
  if (value('Algorithm') !== ALGORITHM) {
    throw new S3Error('AuthorizationQueryParametersError', {
      message: `X-Amz-Algorithm only supports "${ALGORITHM}"`,
    });
  }
  return {
    ...parseCredential(value('Credential'), 's3', 'AuthorizationQueryParametersError'),
    signedHeaders: value('SignedHeaders').split(';'),
    signature: value('Signature'),
    timestamp: value('Date'),
    payloadHash: headerValue(request, 'x-amz-content-sha256') ?? 'UNSIGNED-PAYLOAD',
    expiresSeconds,
  };
}

function parseCredential(
  credential: string,
  expectedService: string,
  code: 'AuthorizationHeaderMalformed' | 'AuthorizationQueryParametersError',
): { accessKeyId: string; scope: Scope } {
  const parts = credential.split('/');
  const [date, region, service, terminator] = parts.slice(-4);
  const accessKeyId = parts.slice(0, -4).join('/');
  if (!accessKeyId || !date || !region || service !== expectedService || terminator !== 'aws4_request') {
    throw new S3Error(code, {
      message: `The authorization header is malformed; the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".`,
    });
  }
  return { accessKeyId, scope: { date, region, service, terminator } };
}

/** Returns the claim as a signer if its signature is right. @throws S3Error InvalidAccessKeyId, RequestTimeTooSkewed, SignatureDoesNotMatch, … */
export function verifyClaim(request: S3Request, claim: Claim, credentials: readonly Credentials[]): Signer {
  const known = credentials.find((one) => one.accessKeyId === claim.accessKeyId);
  if (!known) throw new S3Error('InvalidAccessKeyId', { fields: { AWSAccessKeyId: claim.accessKeyId } });
  const token = headerValue(request, 'x-amz-security-token') ?? queryValue(request, 'X-Amz-Security-Token');
  if (token !== known.sessionToken) throw new S3Error('InvalidToken');
  if (known.expiresAt && known.expiresAt.getTime() <= Date.now()) throw new S3Error('ExpiredToken');
  checkTime(claim);
  checkSignedHeaders(request, claim);
  const key = signingKey(known.secretAccessKey, claim.scope);
  if (!sameSignature(claim.signature, signRequest(request, { ...claim, key }))) {
    throw new S3Error('SignatureDoesNotMatch', {
      fields: { AWSAccessKeyId: claim.accessKeyId, SignatureProvided: claim.signature },
    });
  }
  return { ...claim, key };
}

function checkTime({ timestamp, scope, expiresSeconds }: Claim): void {
  const time = Date.parse(
    timestamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'),
  );
  if (Number.isNaN(time) || scope.date !== timestamp.slice(0, 8)) {
    throw new S3Error('AccessDenied', {
      message: `The date of ${formatScope(scope)} must be that of the request, ${timestamp}`,
    });
  }
  const now = Date.now();
  const tooEarly = time - now > MAX_SKEW_MS;
  if (expiresSeconds !== undefined) {
    if (tooEarly) throw new S3Error('AccessDenied', { message: 'Request is not valid yet' });
    if (now > time + expiresSeconds * 1000)
      throw new S3Error('AccessDenied', { message: 'Request has expired' });
  } else if (tooEarly || now - time > MAX_SKEW_MS) {
    throw new S3Error('RequestTimeTooSkewed', {
      fields: {
        RequestTime: timestamp,
        ServerTime: new Date(now).toISOString(),
        MaxAllowedSkewMilliseconds: String(MAX_SKEW_MS),
      },
    });
  }
}

function checkSignedHeaders(request: S3Request, { signedHeaders }: Claim): void {
  const required = Object.keys(request.message.headers).filter(
    (name) => name === 'host' || name.startsWith('x-amz-'),
  );
  const missing = required.filter((name) => !signedHeaders.includes(name));
  if (missing.length > 0) {
    throw new S3Error('AccessDenied', {
      message: 'There were headers present in the request which were not signed',
      fields: { HeadersNotSigned: missing.join(', ') },
    });
  }
}
