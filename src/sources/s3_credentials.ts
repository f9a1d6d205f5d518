/** Describes the worker's AWS credentials, without showing them. */
import { ConnectorError, describeError } from '../errors.ts';
import type { CredentialProvider } from './s3_role.ts';

/** Features that the AWS SDK notes on credentials when it finds them. The last one is their source. */
const KINDS: Record<string, string> = {
  CREDENTIALS_ENV_VARS: 'environment variables of the worker',
  CREDENTIALS_PROFILE: "a profile in the worker's AWS configuration",
  CREDENTIALS_PROCESS: "a credential process of the worker's AWS configuration",
  CREDENTIALS_SSO: 'IAM Identity Center (SSO)',
  CREDENTIALS_SSO_LEGACY: 'IAM Identity Center (SSO)',
  CREDENTIALS_STS_ASSUME_ROLE: "a role that the worker's AWS configuration assumes",
  CREDENTIALS_STS_ASSUME_ROLE_WEB_ID: 'a role assumed with a web identity token',
  CREDENTIALS_HTTP: 'a container credential endpoint',
  CREDENTIALS_IMDS: 'the instance metadata service',
};

/**
 * Finds credentials, and returns where they came from, in words.
 * @throws ConnectorError `no_credentials`
 */
export async function describeCredentials(provider: CredentialProvider): Promise<string> {
  const credentials = await provider().catch((error: unknown) => {
    throw new ConnectorError(
      'no_credentials',
      `the worker finds no AWS credentials: ${describeError(error)}`,
      {
        hint: "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, in the worker's environment. Or set auth_method to anonymous for a public bucket.",
        cause: error,
      },
    );
  });
  if (credentials.accessKeyId === '') return 'no credentials, because auth_method is anonymous';
  const features = (credentials as { $source?: Record<string, string> }).$source ?? {};
  const kind = Object.keys(KINDS).findLast((feature) => feature in features);
  return `credentials from ${kind ? KINDS[kind] : "the worker's AWS credential chain"}`;
}
