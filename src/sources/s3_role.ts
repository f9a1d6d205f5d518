/** Assumes the role of a connector by STS. */
import { fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import { ConnectorError } from '../errors.ts';

/** Returns credentials, and renews them before they expire. A type of the AWS SDK. */
export type CredentialProvider = ReturnType<typeof fromTemporaryCredentials>;

export interface RoleSettings {
  roleArn: string;
  /** The installation's, never a user's: otherwise a user could make the worker assume another customer's role. */
  externalId: string;
  /** From `sessionName`. */
  session: string;
  /** The worker's own credentials, whose principal the role trusts. */
  worker: CredentialProvider;
  /** The region of the STS endpoint: the worker's, because its account may not have enabled the bucket's. */
  region: string;
}

/**
 * Returns the credentials of a role, by STS AssumeRole.
 * @throws ConnectorError `assume_role_denied`, `no_credentials`, `bad_credentials`, `sts_unavailable` ...
 */
export function roleCredentials({
  roleArn,
  externalId,
  session,
  worker,
  region,
}: RoleSettings): CredentialProvider {
  const provider = fromTemporaryCredentials({
    masterCredentials: worker,
    params: { RoleArn: roleArn, ExternalId: externalId, RoleSessionName: session },
    clientConfig: { region },
  });
  return async (options) => {
    try {
      return await provider(options);
    } catch (error) {
      throw toRoleError(error, roleArn);
    }
  };
}

/** Returns the session's name for CloudTrail: the connector's name, in the characters that STS allows. */
export function sessionName(connectorName: string): string {
  return `s3-connector-${connectorName.replaceAll(/[^\w+=,.@-]/g, '-')}`.slice(0, 64);
}

interface Rule {
  code: string;
  message: string;
  hint: string;
}

const BAD_CREDENTIALS: Rule = {
  code: 'bad_credentials',
  message: "STS did not accept the worker's credentials",
  hint: "Check the AWS settings in the worker's environment.",
};
const EXPIRED: Rule = {
  code: 'credentials_expired',
  message: "the worker's own credentials have expired",
  hint: "Renew them in the worker's environment. A role of the machine, or a profile, is renewed automatically.",
};

/** By STS's error code. STS's messages are not shown, because some quote the request with its token. */
const RULES: Record<string, Rule> = {
  CredentialsProviderError: {
    code: 'no_credentials',
    message: 'the worker finds no AWS credentials of its own, with which to assume a role',
    hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, in the worker's environment, or give its machine a role.",
  },
  InvalidClientTokenId: BAD_CREDENTIALS,
  UnrecognizedClientException: BAD_CREDENTIALS,
  SignatureDoesNotMatch: BAD_CREDENTIALS,
  InvalidSignatureException: BAD_CREDENTIALS,
  IncompleteSignature: BAD_CREDENTIALS,
  ExpiredToken: EXPIRED,
  ExpiredTokenException: EXPIRED,
  RegionDisabledException: {
    code: 'wrong_region',
    message: "STS is not active in the worker's region",
    hint: "Set AWS_REGION in the worker's environment to a region that its AWS account has enabled.",
  },
};

function toRoleError(error: unknown, roleArn: string): ConnectorError {
  const { name = 'Error', message = String(error) } = error as { name?: string; message?: string };
  const rule = RULES[name];
  if (rule) return new ConnectorError(rule.code, rule.message, { hint: rule.hint, cause: error });
  if (/^AccessDenied/.test(name)) {
    return new ConnectorError(
      'assume_role_denied',
      `AWS did not let the worker assume ${roleArn}: ${message}`,
      {
        hint: "The role must trust the worker's identity with the installation's external id. Run call s3_connector.check(name) to get the policies to paste.",
        cause: error,
      },
    );
  }
  if (/^Validation/.test(name)) {
    return new ConnectorError('bad_role', `STS does not accept ${roleArn} as a role: ${message}`, {
      hint: "Correct the connector's role_arn.",
      cause: error,
    });
  }
  return new ConnectorError('sts_unavailable', `STS did not answer as expected: ${name}: ${message}`, {
    passing: true,
    cause: error,
  });
}
