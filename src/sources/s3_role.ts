/** Assumes the role of a connector by STS. */
import { fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import { workerRegion } from './region.ts';
import type { CredentialProvider } from './s3_credentials.ts';
import { toConnectorError } from './s3_errors.ts';

export interface RoleSettings {
  roleArn: string;
  /** The installation's, never a user's: otherwise a user could make the worker assume another customer's role. */
  externalId: string;
  /** From `sessionName`. */
  session: string;
  /** The worker's own credentials, whose principal the role trusts. */
  worker: CredentialProvider;
}

/**
 * Returns the credentials of a role, by STS AssumeRole.
 * @throws ConnectorError `assume_role_denied`, `no_credentials`, `bad_credentials`, `sts_unavailable` ...
 */
export function roleCredentials({ roleArn, externalId, session, worker }: RoleSettings): CredentialProvider {
  const provider = fromTemporaryCredentials({
    masterCredentials: worker,
    params: { RoleArn: roleArn, ExternalId: externalId, RoleSessionName: session },
    // The worker's region, because its account may not have enabled the bucket's.
    clientConfig: { region: workerRegion },
  });
  return async (options) => {
    try {
      return await provider(options);
    } catch (error) {
      throw toConnectorError(error, { request: 'role', bucket: '', what: roleArn });
    }
  };
}

/** Returns the session's name for CloudTrail: the connector's name, in the characters that STS allows. */
export function sessionName(connectorName: string): string {
  return `s3-connector-${connectorName.replaceAll(/[^\w+=,.@-]/g, '-')}`.slice(0, 64);
}
