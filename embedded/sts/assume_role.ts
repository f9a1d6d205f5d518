/** The STS operation AssumeRole: it checks a role's trust policy and issues temporary credentials. */
import { randomBytes } from 'node:crypto';
import { type Credentials, readClaim, verifyClaim } from '../bucket/authenticate.ts';
import { S3Error } from '../bucket/errors.ts';
import type { S3Request } from '../bucket/request.ts';
import { sha256 } from '../bucket/sigv4.ts';

/** A role and its trust policy. */
export interface Role {
  /** For example `arn:aws:iam::123456789012:role/reader`. */
  arn: string;
  /** The access key ids that may assume the role. */
  trusts: string[];
  /** The external id that a request must have. */
  externalId: string;
}

export interface AssumeRoleRequest {
  /** `RoleArn`, `ExternalId`, `RoleSessionName` and others. */
  params: Record<string, string>;
  /** Undefined: the request succeeded. */
  errorCode: string | undefined;
}

export interface AssumedRole {
  arn: string;
  session: string;
  credentials: Required<Credentials>;
}

/** An error response of STS. */
export class StsError extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.name = code;
    this.status = status;
    this.code = code;
  }
}

export interface Context {
  credentials: readonly Credentials[];
  roles: readonly Role[];
  log: AssumeRoleRequest[];
  lifetimeMs: number;
}

/** Returns temporary credentials for the role, and logs the request. @throws StsError, S3Error */
export function assumeRole(request: S3Request, body: string, context: Context): AssumedRole {
  const entry: AssumeRoleRequest = {
    params: Object.fromEntries(new URLSearchParams(body)),
    errorCode: undefined,
  };
  context.log.push(entry);
  try {
    return grant(entry.params, verifySigner(request, body, context.credentials), context);
  } catch (error) {
    entry.errorCode = (error as StsError | S3Error).code;
    throw error;
  }
}

/** Returns the access key id that signed the request. @throws StsError, S3Error */
function verifySigner(request: S3Request, body: string, credentials: readonly Credentials[]): string {
  const claim = readClaim(request, 'sts');
  if (!claim)
    throw new StsError(403, 'MissingAuthenticationToken', 'Request is missing Authentication Token');
  if (claim.payloadHash !== sha256(body)) throw new S3Error('XAmzContentSHA256Mismatch');
  try {
    return verifyClaim(request, claim, credentials).accessKeyId;
  } catch (error) {
    throw toStsError(error);
  }
}

/** Maps the S3 errors that have another code in STS. */
function toStsError(error: unknown): unknown {
  if (!(error instanceof S3Error)) return error;
  if (error.code === 'InvalidAccessKeyId' || error.code === 'InvalidToken') {
    return new StsError(
      403,
      'InvalidClientTokenId',
      'The security token included in the request is invalid.',
    );
  }
  if (error.code === 'ExpiredToken') return new StsError(403, 'ExpiredToken', error.message);
  return error;
}

function grant(params: AssumeRoleRequest['params'], signer: string, context: Context): AssumedRole {
  const { Action, RoleArn = '', ExternalId, RoleSessionName: session = '' } = params;
  if (Action !== 'AssumeRole') throw new StsError(400, 'InvalidAction', `Could not find operation ${Action}`);
  for (const [name, value, pattern] of [
    ['roleArn', RoleArn, /^arn:.{16,2044}$/],
    ['roleSessionName', session, /^[\w+=,.@-]{2,64}$/],
    ['externalId', ExternalId ?? '--', /^[\w+=,.@:/-]{2,1224}$/],
  ] as const) {
    if (!pattern.test(value)) throw invalid(name, value);
  }
  const role = context.roles.find(({ arn }) => arn === RoleArn);
  // One error for all reasons, as in AWS: a caller must not learn which roles exist.
  if (!role?.trusts.includes(signer) || role.externalId !== ExternalId) throw denied(signer, RoleArn);
  return {
    arn: `${RoleArn.replace(':iam:', ':sts:').replace(':role/', ':assumed-role/')}/${session}`,
    session,
    credentials: {
      accessKeyId: `ASIA${randomBytes(8).toString('hex').toUpperCase()}`,
      secretAccessKey: randomBytes(20).toString('hex'),
      sessionToken: randomBytes(60).toString('base64'),
      expiresAt: new Date(Date.now() + context.lifetimeMs),
    },
  };
}

function invalid(name: string, value: string): StsError {
  return new StsError(
    400,
    'ValidationError',
    `1 validation error detected: Value '${value}' at '${name}' failed to satisfy constraint`,
  );
}

function denied(signer: string, roleArn: string): StsError {
  return new StsError(
    403,
    'AccessDenied',
    `User: arn:aws:iam::000000000000:user/${signer} is not authorized to perform: sts:AssumeRole on resource: ${roleArn}`,
  );
}
