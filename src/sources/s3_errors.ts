import { ConnectorError } from '../errors.ts';

interface Context {
  bucket: string;
  /** The key, or what was being listed. */
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
  hint: 'The credentials need s3:ListBucket on the bucket and s3:GetObject on its objects. S3 also says so of an object that was deleted, where they may not list the whole bucket.',
};
const badCredentials: Rule = {
  code: 'bad_credentials',
  message: ({ bucket }) => `S3 did not accept the worker's credentials for bucket ${bucket}`,
  hint: "Check the AWS settings in the worker's environment.",
};
const expired: Rule = {
  code: 'credentials_expired',
  message: ({ bucket }) => `the credentials for bucket ${bucket} have expired`,
  hint: 'Those of a role are renewed by themselves; others must be renewed where the worker finds them.',
  passing: true,
};
const missingObject: Rule = {
  code: 'object_missing',
  message: ({ bucket }) =>
    `the object is no longer in bucket ${bucket}: it was deleted after it had been listed`,
};

const changed: Rule = {
  code: 'object_changed',
  message: () => 'the object was overwritten after it had been listed',
  hint: 'Its new version is fetched in the next attempt.',
  passing: true,
};

/** S3's error codes (https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html) and what they mean here. */
const RULES: Record<string, Rule> = {
  NoSuchBucket: {
    code: 'bucket_missing',
    message: ({ bucket }) => `there is no bucket ${bucket}`,
    hint: "Check the connector's bucket, region and endpoint.",
  },
  NoSuchKey: missingObject,
  NotFound: missingObject,
  PreconditionFailed: changed,
  // Only ranges within the listed size are asked for, so the object has become shorter.
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
    hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, in the worker's environment; or set auth_method to anonymous for a public bucket.",
  },
  ExpiredToken: expired,
  ExpiredTokenException: expired,
  InvalidBucketName: {
    code: 'bucket_missing',
    message: ({ bucket }) => `${bucket} cannot be a bucket's name`,
  },
  PermanentRedirect: wrongRegion(),
  AuthorizationHeaderMalformed: wrongRegion(),
  IllegalLocationConstraintException: wrongRegion(),
};

function wrongRegion(): Rule {
  return {
    code: 'wrong_region',
    message: ({ bucket }) => `bucket ${bucket} is in another region than the connector says`,
    hint: "Set the connector's region to null, so that it is found out.",
  };
}

/** Turns an error of the AWS SDK into one that says what to do; what is unknown is taken as passing. */
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

/** What the SDK calls an answer that does not give its reason, as the answer to a HEAD never does. */
const NO_REASON = 'Unknown';

/** Whether S3 says, or may mean, that the credentials have expired. */
export function hasExpired(error: unknown): boolean {
  const { name, status } = describe(error);
  return RULES[name] === expired || (status === 400 && name === NO_REASON);
}

/** The bucket's region, where S3 refuses a request and says it. Only a region's name: it becomes a part of a host's. */
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
