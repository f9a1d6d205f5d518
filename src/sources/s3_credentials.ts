/** Finds the worker's own AWS credentials, and describes them without showing them. */
import { fromHttp, fromInstanceMetadata, fromNodeProviderChain } from '@aws-sdk/credential-providers';
import type { HandlerConfig } from './http_agents.ts';
import { toConnectorError } from './s3_errors.ts';

/** Returns credentials, and renews them before they expire. A type of the AWS SDK. */
export type CredentialProvider = ReturnType<typeof fromNodeProviderChain>;

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
 * Returns the worker's own credentials, from the default chain of AWS tools.
 * @param requestHandler for the role or the sign-in of a profile
 * @throws ConnectorError `no_credentials`, `credentials_unavailable`, `credentials_expired`, `bad_credentials` ...
 */
export function workerCredentials(requestHandler: HandlerConfig): CredentialProvider {
  const chain = fromNodeProviderChain({ clientConfig: { requestHandler } });
  return async (options) => {
    try {
      return await chain(options);
    } catch (error) {
      const cause = foundNothing(error) ? ((await askMetadataService()) ?? error) : error;
      throw toConnectorError(cause, {
        request: 'credentials',
        bucket: '',
        what: "the worker's own credentials",
      });
    }
  };
}

/**
 * Finds credentials, and returns where they came from, in words.
 * @throws ConnectorError the errors of the provider
 */
export async function describeCredentials(provider: CredentialProvider): Promise<string> {
  const credentials = await provider();
  if (credentials.accessKeyId === '') return 'no credentials, because auth_method is anonymous';
  const features = (credentials as { $source?: Record<string, string> }).$source ?? {};
  const kind = Object.keys(KINDS).findLast((feature) => feature in features);
  return `credentials from ${kind ? KINDS[kind] : "the worker's AWS credential chain"}`;
}

/** Whether the chain came to its end. It does not say then why its last provider gave no credentials. */
function foundNothing(error: unknown): boolean {
  return (error as Error).message === 'Could not load credentials from any providers';
}

/** What the SDK's providers say of an answer of the server: in a field, or in the message. */
const STATUS = /\bstatus: (\d{3})\b/;
const SECOND = 1000;

/**
 * Asks the endpoint for credentials of the worker's container or machine once more. Returns its error, if there is such an
 * endpoint and it has failed: it may recover. Undefined if there is none.
 */
async function askMetadataService(): Promise<Error | undefined> {
  const { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: relative, AWS_CONTAINER_CREDENTIALS_FULL_URI: full } =
    process.env;
  const inContainer = Boolean(relative || full);
  const disabled = process.env.AWS_EC2_METADATA_DISABLED;
  if (!inContainer && disabled && disabled !== 'false') return undefined;
  const options = { timeout: SECOND, maxRetries: 0 };
  try {
    await (inContainer ? fromHttp(options) : fromInstanceMetadata(options))();
  } catch (error) {
    const { message, statusCode } = error as Error & { statusCode?: number };
    const status = statusCode ?? Number(STATUS.exec(message)?.[1] ?? 0);
    // Without a status, nobody answers. On most machines that is because they have no such service.
    const mayRecover = status >= 500 || status === 429 || (inContainer && status === 0);
    return mayRecover ? failed(status === 0 ? message : `it answers ${status}`) : undefined;
  }
  return failed('it answers again');
}

function failed(message: string): Error {
  return Object.assign(new Error(message), { name: 'MetadataServiceError' });
}
