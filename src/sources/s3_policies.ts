/** Writes the IAM policies that a connector's role needs. */
export interface PolicySettings {
  /** Null: it is not known yet. Then the policies are those of the commercial regions. */
  roleArn: string | null;
  externalId: string;
  bucket: string;
  /** The prefix of all keys that the connector lists. */
  prefix: string;
  /** The ARN of the worker's own identity; null if it is not known. */
  principal: string | null;
}

/** Returns the two policies of the role, as text to paste. */
export function describePolicies(settings: PolicySettings): string {
  const { trust, permission } = policiesOf(settings);
  return ['Trust policy of the role:', trust, 'Permission policy of the role:', permission].join('\n');
}

/** Returns the two policies of the role, as JSON. */
export function policiesOf(settings: PolicySettings): { trust: string; permission: string } {
  return {
    trust: JSON.stringify(trustPolicy(settings), null, 2),
    permission: JSON.stringify(permissionPolicy(settings), null, 2),
  };
}

function trustPolicy({ externalId, principal }: PolicySettings) {
  return policy([
    {
      Effect: 'Allow',
      Principal: { AWS: principal ?? "<ARN of the worker's role or user>" },
      Action: 'sts:AssumeRole',
      Condition: { StringEquals: { 'sts:ExternalId': externalId } },
    },
  ]);
}

/** Returns a policy that allows LIST and GET below the prefix, which is all that the worker needs. */
function permissionPolicy({ roleArn, bucket, prefix }: PolicySettings) {
  const isAccessPoint = bucket.startsWith('arn:');
  const bucketArn = isAccessPoint
    ? bucket
    : `${(roleArn ?? 'arn:aws').split(':', 2).join(':')}:s3:::${bucket}`;
  const objects = isAccessPoint ? `${bucketArn}/object` : bucketArn;
  const keys = `${escapePattern(prefix)}*`;
  return policy([
    {
      Effect: 'Allow',
      Action: 's3:ListBucket',
      Resource: bucketArn,
      ...(prefix === '' ? {} : { Condition: { StringLike: { 's3:prefix': keys } } }),
    },
    { Effect: 'Allow', Action: 's3:GetObject', Resource: `${objects}/${keys}` },
  ]);
}

function policy(statements: object[]) {
  return { Version: '2012-10-17', Statement: statements };
}

/** Escapes a literal text (https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-specialchars). */
function escapePattern(text: string): string {
  return text.replaceAll(/[*?$]/g, (character) => `\${${character}}`);
}

/** Returns the identity in an error of STS, for a trust policy: the role, if it is a role's session. Null if there is none. */
export function principalOf(denial: string): string | null {
  const arn = /\b(arn:aws[a-z-]*:(?:iam|sts)::\d{12}:\S+) is not authorized/.exec(denial)?.[1];
  if (arn === undefined) return null;
  return arn.replace(/:sts::(\d{12}):assumed-role\/([^/]+)\/.*$/, ':iam::$1:role/$2');
}
