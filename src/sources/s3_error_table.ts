/**
 * Maps the errors of S3, STS, KMS, S3-compatible servers and the AWS SDK to the connector's own, one row each.
 * docs/errors.md is generated from these rows (`npm run docs`).
 */
import { OBJECT_CHANGED } from './object_version.ts';

/**
 * Whose error it is: of a LIST; of a GET or HEAD of an object; of STS, asked for the connector's role; of the search for the
 * worker's own credentials, which may ask STS too.
 */
export type AwsRequest = 'list' | 'object' | 'role' | 'credentials';

/** What the message of an error names. */
export interface ErrorContext {
  request: AwsRequest;
  bucket: string;
  /** The key, the listing, or the role. */
  what: string;
}

export interface ErrorRow {
  of: readonly AwsRequest[];
  /** AWS's error codes, and names of the SDK's errors. A star stands for any end. */
  says: readonly string[];
  /** What AWS's message must have as well, and what it is about, in words. */
  saying?: { pattern: RegExp; about: string };
  /** Without a code that has a row, the status decides. Answers to HEAD have no code. */
  status?: readonly number[];
  code: string;
  message(context: ErrorContext): string;
  hint?: string;
  passing?: true;
}

const S3: readonly AwsRequest[] = ['list', 'object'];
const ALL: readonly AwsRequest[] = ['list', 'object', 'role', 'credentials'];

const CHECK_SETTINGS = "Check the AWS settings in the worker's environment.";
const ROLE_MUST_TRUST =
  "The role must trust the worker's identity with the installation's external id. Run call s3_connector.check(name) to get the policies to paste.";

/** The first row that fits an error counts. */
export const ERROR_ROWS: readonly ErrorRow[] = [
  // The bucket and the object.
  {
    of: S3,
    says: ['NoSuchBucket', 'NoSuchAccessPoint', 'InvalidAccessPoint', 'InvalidAccessPointAliasError'],
    code: 'bucket_missing',
    message: ({ bucket }) => `there is no bucket ${bucket}`,
    hint: "Check the connector's bucket, region and endpoint.",
  },
  {
    of: S3,
    says: ['InvalidBucketName'],
    code: 'bucket_missing',
    message: ({ bucket }) => `${bucket} is not a valid bucket name`,
    hint: "Check the connector's bucket.",
  },
  {
    of: ['object'],
    says: ['NoSuchKey', 'NoSuchVersion', 'NotFound'],
    status: [404],
    code: 'object_missing',
    message: ({ bucket }) =>
      `the object is no longer in bucket ${bucket}: it was deleted after it was listed`,
    hint: 'Upload it again, then retry the file. Or cancel the file.',
  },
  {
    of: ['list'],
    says: ['NoSuchKey', 'NotFound'],
    status: [404],
    code: 'source_unavailable',
    message: ({ bucket, what }) =>
      `S3 did not answer as expected for bucket ${bucket} (${what}): not found, but a LIST needs no object`,
    hint: "Check the connector's endpoint: a proxy without a server behind it, or no S3 server, may answer there.",
    passing: true,
  },
  {
    of: ['object'],
    // The worker requests only ranges within the listed size, so the object has become shorter.
    says: ['PreconditionFailed', 'InvalidRange'],
    status: [412, 416],
    code: OBJECT_CHANGED.code,
    message: () => OBJECT_CHANGED.message,
    hint: OBJECT_CHANGED.hint,
    passing: true,
  },
  {
    of: ['object'],
    says: ['InvalidObjectState', 'ObjectNotInActiveTierError'],
    code: 'object_archived',
    message: () => 'the object is in an archive storage class and cannot be read',
    hint: 'Restore it in S3. The connector then imports it.',
  },
  // Keys of encryption.
  {
    of: ['object'],
    says: ['InvalidRequest', 'InvalidArgument', 'InvalidEncryptionAlgorithmError', 'BadRequest'],
    saying: {
      pattern:
        /server.side encryption|encryption parameters|customer.provided|secret key|hash of the key|sse-?c\b/i,
      about: 'a key of the owner (SSE-C)',
    },
    code: 'object_key_refused',
    message: () =>
      'the object needs the key with which its owner encrypted it (SSE-C), or needs none and was sent one',
    hint: "Correct the bucket's keys in S3_SSE_C_KEYS in the worker's environment, restart the worker, then retry the file.",
  },
  {
    of: S3,
    says: [
      'KMS.ThrottlingException',
      'KMS.KMSInternalException',
      'KMS.DependencyTimeoutException',
      'KMS.KeyUnavailableException',
    ],
    code: 'source_unavailable',
    message: ({ bucket, what }) => `KMS did not answer S3 as expected for bucket ${bucket} (${what})`,
    hint: 'Nothing to do if it recovers. If KMS throttles often, raise its quota of requests.',
    passing: true,
  },
  {
    of: S3,
    says: ['KMS.*'],
    code: 'kms_key_unusable',
    message: ({ bucket, what }) =>
      `KMS cannot use the key with which the object is encrypted (bucket ${bucket}, ${what})`,
    hint: 'Enable the KMS key, or cancel its deletion. Then retry the file.',
  },
  {
    of: S3,
    says: ['AccessDenied*'],
    saying: {
      pattern: /\bkms:/i,
      about: 'KMS',
    },
    code: 'access_denied',
    message: ({ bucket, what }) =>
      `S3 denied access to bucket ${bucket} (${what}), because KMS denied access to the key`,
    hint: "Allow kms:Decrypt on the object's KMS key, in the policy of the credentials and in the key's own policy.",
  },
  // Access.
  {
    of: S3,
    says: ['InvalidPayer'],
    code: 'access_denied',
    message: ({ bucket, what }) => `S3 denied access to bucket ${bucket} (${what}): its requesters must pay`,
    hint: "Set the connector's requester_pays to true. The account of the credentials then pays for the requests.",
  },
  {
    of: ALL,
    says: [
      'AccountProblem',
      'AllAccessDisabled',
      'NotSignedUp',
      'OptInRequired',
      'InvalidSecurity',
      'UserSuspended',
      'AccountSuspended*',
    ],
    code: 'account_refused',
    message: ({ what }) => `AWS refuses the account (${what})`,
    hint: "The owner of the account must settle this with AWS, or with the server's operator. No policy helps.",
  },
  {
    of: ALL,
    says: ['RequestTimeTooSkewed', 'RequestExpired'],
    code: 'clock_wrong',
    message: ({ what }) => `the worker's clock and the server's are too far apart (${what})`,
    hint: "Set the clock of the worker's machine, for example by NTP.",
  },
  {
    of: ALL,
    says: ['SignatureDoesNotMatch', 'InvalidSignatureException'],
    saying: {
      pattern: /signature (not yet current|expired)/i,
      about: 'the time of the signature',
    },
    code: 'clock_wrong',
    message: ({ what }) => `the worker's clock and the server's are too far apart (${what})`,
    hint: "Set the clock of the worker's machine, for example by NTP.",
  },
  {
    of: S3,
    says: [
      'SecondLevelDomainForbidden',
      'VirtualHostDomainRequired',
      'PathStyleDomainForbidden',
      'InvalidPathAccess',
      'InvalidAddressingHeader',
      'InvalidHostHeader',
    ],
    code: 'addressing_refused',
    message: ({ bucket }) => `the server refuses how the request names bucket ${bucket}`,
    hint: "Set the connector's path_style to null, so that the worker finds out, or to true or false as the server's documentation says.",
  },
  {
    of: S3,
    says: ['AccessDenied*', 'Forbidden'],
    status: [401, 403],
    code: 'access_denied',
    message: ({ bucket, what }) => `S3 denied access to bucket ${bucket} (${what})`,
    hint: 'The credentials need s3:ListBucket on the bucket and s3:GetObject on its objects. If they cannot list the whole bucket, S3 gives the same answer for a deleted object. If requesters pay for the bucket, set requester_pays to true.',
  },
  // Credentials.
  {
    of: ['list', 'object'],
    says: ['ExpiredToken*', 'TokenRefreshRequired'],
    code: 'credentials_expired',
    message: ({ bucket }) => `the credentials for bucket ${bucket} have expired`,
    hint: "Renew them in the worker's environment. Those of a role are renewed automatically.",
    passing: true,
  },
  {
    of: ['role', 'credentials'],
    says: ['ExpiredToken*'],
    code: 'credentials_expired',
    message: () => "the worker's own credentials have expired",
    hint: "Renew them, or the web identity token, in the worker's environment. A role of the machine, or a profile, is renewed automatically.",
  },
  {
    of: S3,
    says: ['AuthorizationHeaderMalformed'],
    saying: {
      pattern: /access key|akid|credential/i,
      about: 'the access key',
    },
    code: 'bad_credentials',
    message: ({ bucket }) => `S3 did not accept the worker's credentials for bucket ${bucket}`,
    hint: CHECK_SETTINGS,
  },
  {
    of: S3,
    says: [
      'InvalidAccessKeyId',
      'SignatureDoesNotMatch',
      'InvalidToken',
      'CredentialsNotSupported',
      'MissingSecurityHeader',
      'XAdminUserNotFound',
    ],
    code: 'bad_credentials',
    message: ({ bucket }) => `S3 did not accept the worker's credentials for bucket ${bucket}`,
    hint: CHECK_SETTINGS,
  },
  {
    of: ['role', 'credentials'],
    says: [
      'InvalidClientTokenId',
      'UnrecognizedClientException',
      'SignatureDoesNotMatch',
      'InvalidSignatureException',
      'IncompleteSignature',
      'MissingAuthenticationToken*',
    ],
    code: 'bad_credentials',
    message: () => "STS did not accept the worker's credentials",
    hint: CHECK_SETTINGS,
  },
  {
    of: ['credentials'],
    says: [
      'AccessDenied*',
      'InvalidIdentityToken*',
      'IDPRejectedClaim*',
      'UnauthorizedException',
      'ForbiddenException',
    ],
    code: 'no_credentials',
    message: () => 'AWS did not give the worker its credentials',
    hint: "The role, the profile or the web identity in the worker's AWS settings is refused: correct them, or the trust policy of the role that they name.",
  },
  {
    of: ['credentials'],
    says: ['CredentialsProviderError', 'TokenProviderError'],
    code: 'no_credentials',
    message: () => 'the worker finds no AWS credentials',
    hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, in the worker's environment, or give its machine a role. Or set auth_method to anonymous for a public bucket.",
  },
  {
    of: ['credentials'],
    says: ['MetadataServiceError', 'IDPCommunicationError', 'Throttling*'],
    code: 'credentials_unavailable',
    message: () => 'the worker does not get its AWS credentials at the moment',
    hint: "Nothing to do if it recovers. If not, check the metadata service, or the container's credential endpoint, of the worker's machine.",
    passing: true,
  },
  // The role of a connector.
  {
    of: ['role'],
    says: ['AccessDenied*'],
    code: 'assume_role_denied',
    message: ({ what }) => `AWS did not let the worker assume ${what}`,
    hint: ROLE_MUST_TRUST,
  },
  {
    of: ['role'],
    says: ['Validation*'],
    code: 'bad_role',
    message: ({ what }) => `STS does not accept ${what} as a role`,
    hint: "Correct the connector's role_arn.",
  },
  {
    of: ['role', 'credentials'],
    says: ['RegionDisabledException'],
    code: 'wrong_region',
    message: () => "STS is not active in the worker's region",
    hint: "Set AWS_REGION in the worker's environment to a region that its AWS account has enabled.",
  },
  // The request.
  {
    of: S3,
    says: [
      'PermanentRedirect',
      'AuthorizationHeaderMalformed',
      'IllegalLocationConstraintException',
      'InvalidRegion',
    ],
    status: [301],
    code: 'wrong_region',
    message: ({ bucket }) => `bucket ${bucket} is in another region than the connector says`,
    hint: "Set the connector's region to null. The worker then finds the region, if the server names it.",
  },
  {
    of: S3,
    says: ['NotImplemented', 'MethodNotAllowed'],
    status: [405, 501],
    code: 'request_not_supported',
    message: ({ bucket, what }) => `the server does not support the request (bucket ${bucket}, ${what})`,
    hint: 'The connector sends only LIST, GET and HEAD, as S3 knows them. Use another server or version, or correct the proxy in front of it.',
  },
  {
    of: S3,
    says: [
      'InvalidRequest',
      'InvalidArgument',
      'InvalidURI',
      'KeyTooLongError',
      'MalformedXML',
      'UnsupportedArgument',
    ],
    code: 'request_refused',
    message: ({ bucket, what }) => `the server refuses the request as invalid (bucket ${bucket}, ${what})`,
    hint: "Read what it says. If it is no server of AWS, check that it supports S3's LIST, GET and HEAD.",
  },
  // Everything else.
  {
    of: S3,
    says: ['SlowDown', 'InternalError', 'ServiceUnavailable', 'RequestTimeout', '*'],
    code: 'source_unavailable',
    message: ({ bucket, what }) => `S3 did not answer as expected for bucket ${bucket} (${what})`,
    hint: 'Nothing to do if it recovers. If not, check the network between worker and endpoint.',
    passing: true,
  },
  {
    of: ['role'],
    says: ['*'],
    code: 'sts_unavailable',
    message: () => 'STS did not answer as expected',
    hint: 'Nothing to do if it recovers. If not, check the network between worker and STS.',
    passing: true,
  },
  {
    of: ['credentials'],
    says: ['*'],
    code: 'credentials_unavailable',
    message: () => 'the search for the AWS credentials of the worker failed',
    hint: "Nothing to do if it recovers. If not, check the worker's AWS settings and its network.",
    passing: true,
  },
];
