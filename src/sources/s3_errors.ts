/** Turns errors of S3 into ConnectorErrors with a hint. */
import { ConnectorError } from '../errors.ts';
import { OBJECT_CHANGED } from './object_version.ts';

interface Context {
  bucket: string;
  /** The key, or the listing. */
  what: string;
}

interface Rule {
  code: string;
  message(context: Context): string;
  hint?: string;
  passing?: boolean;
}

const denied: Rule = {
  code: 'access_denied',
  message: ({ bucket, what }) => `S3 denied access to bucket ${bucket} (${what})`,
  hint: 'The credentials need s3:ListBucket on the bucket and s3:GetObject on its objects. If they cannot list the whole bucket, S3 gives the same answer for a deleted object.',
};
const badCredentials: Rule = {
  code: 'bad_credentials',
  message: ({ bucket }) => `S3 did not accept the worker's credentials for bucket ${bucket}`,
  hint: "Check the AWS settings in the worker's environment.",
};
const expired: Rule = {
  code: 'credentials_expired',
  message: ({ bucket }) => `the credentials for bucket ${bucket} have expired`,
  hint: "Renew them in the worker's environment. Those of a role are renewed automatically.",
  passing: true,
};
const missingObject: Rule = {
  code: 'object_missing',
  message: ({ bucket }) => `the object is no longer in bucket ${bucket}: it was deleted after it was listed`,
};

const changed: Rule = { ...OBJECT_CHANGED, message: () => OBJECT_CHANGED.message };

/** S3's error codes (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html) and our errors for them. */
const RULES: Record<string, Rule> = {
  NoSuchBucket: {
    code: 'bucket_missing',
    message: ({ bucket }) => `there is no bucket ${bucket}`,
    hint: "Check the connector's bucket, region and endpoint.",
  },
  NoSuchKey: missingObject,
  NotFound: missingObject,
  PreconditionFailed: changed,
  // We request only ranges within the listed size, so the object has become shorter.
  InvalidRange: changed,
  AccessDenied: denied,
  Forbidden: denied,
  AllAccessDisabled: denied,
  InvalidObjectState: {
    code: 'object_archived',
    message: () => 'the object is in an archive storage class and cannot be read',
    hint: 'Restore it in S3, then retry the file.',
  },
  InvalidAccessKeyId: badCredentials,
  SignatureDoesNotMatch: badCredentials,
  InvalidToken: badCredentials,
  CredentialsProviderError: {
    code: 'no_credentials',
    message: () => 'the worker finds no AWS credentials',
    hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, in the worker's environment. Or set auth_method to anonymous for a public bucket.",
  },
  ExpiredToken: expired,
  ExpiredTokenException: expired,
  InvalidBucketName: {
    code: 'bucket_missing',
    message: ({ bucket }) => `${bucket} is not a valid bucket name`,
  },
  PermanentRedirect: wrongRegion(),
  AuthorizationHeaderMalformed: wrongRegion(),
  IllegalLocationConstraintException: wrongRegion(),
};

function wrongRegion(): Rule {
  return {
    code: 'wrong_region',
    message: ({ bucket }) => `bucket ${bucket} is in another region than the connector says`,
    hint: "Set the connector's region to null. The worker then finds the region.",
  };
}

/** Returns a ConnectorError for an error of the AWS SDK. An unknown one is passing. */
export function toConnectorError(error: unknown, context: Context): ConnectorError {
  if (error instanceof ConnectorError) return error;
  const { name, message, status } = describe(error);
  const rule = RULES[name] ?? byStatus(status);
  if (rule) {
    return new ConnectorError(rule.code, rule.message(context), {
      cause: error,
      ...(rule.hint === undefined ? {} : { hint: rule.hint }),
      ...(rule.passing === undefined ? {} : { passing: rule.passing }),
    });
  }
  return new ConnectorError(
    'source_unavailable',
    `S3 did not answer as expected for bucket ${context.bucket} (${context.what}): ${name}: ${message}`,
    { passing: true, cause: error },
  );
}

/** The SDK's name for an answer without a reason. Answers to HEAD never have one. */
const NO_REASON = 'Unknown';

/** Returns whether the credentials have expired, or may have. */
export function hasExpired(error: unknown): boolean {
  const { name, status } = describe(error);
  return RULES[name] === expired || (status === 400 && name === NO_REASON);
}

/** Returns the bucket's region, if S3 refuses a request and names it. Checks the name, because it becomes part of a host name. */
export function regionOf(error: unknown): string | undefined {
  const { $metadata, $response } = error as {
    $metadata?: { httpStatusCode?: number };
    $response?: { headers?: Record<string, string> };
  };
  const region = $response?.headers?.['x-amz-bucket-region'];
  const refused = $metadata?.httpStatusCode === 301 || $metadata?.httpStatusCode === 400;
  return refused && region !== undefined && /^[a-z0-9-]{1,40}$/.test(region) ? region : undefined;
}

function byStatus(status: number | undefined): Rule | undefined {
  if (status === 403) return denied;
  if (status === 404) return missingObject;
  if (status === 412 || status === 416) return changed;
  return undefined;
}

function describe(error: unknown): { name: string; message: string; status: number | undefined } {
  const { name, message, $metadata } = error as {
    name?: string;
    message?: string;
    $metadata?: { httpStatusCode?: number };
  };
  return { name: name ?? 'Error', message: message ?? String(error), status: $metadata?.httpStatusCode };
}
