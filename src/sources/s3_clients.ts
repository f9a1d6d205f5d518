import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { fromNodeProviderChain } from '@aws-sdk/credential-providers';
import type { Config } from '../config.ts';
import { ConnectorError } from '../errors.ts';
import { countRequests } from './s3_requests.ts';
import { type CredentialProvider, roleCredentials, sessionName } from './s3_role.ts';

/** What of a connector decides how its bucket is reached. */
export interface S3Settings {
  /** Names the sessions of its role. */
  name: string;
  bucket: string;
  region: string | null;
  endpoint: string | null;
  auth_method: 'worker' | 'anonymous' | 'iam_role';
  role_arn: string | null;
}

/** What of the worker's settings decides it. */
export type S3Options = Pick<Config, 'allowedEndpoints' | 'externalId' | 'timeouts'>;

/** Tries of one request, by the SDK, with growing random pauses between them. */
export const MAX_TRIES = 4;
/** The one that was not used for longest makes room; nothing of it is lost but its role's session. */
const MAX_CLIENTS = 1000;
const MAX_SOCKETS = 200;

/**
 * Clients of the AWS SDK: one for all connectors that reach S3 the same way, and all of them over the same connections.
 * A role has a client for each connector, so that its sessions say which one it was.
 */
export class S3Clients {
  readonly #options: S3Options;
  readonly #clients = new Map<string, S3Client>();
  /** The worker's own credentials, from wherever AWS tools look for them. */
  readonly worker: CredentialProvider = fromNodeProviderChain();
  readonly #regions = new Map<string, string>();
  #requestHandler: S3ClientConfig['requestHandler'];

  constructor(options: S3Options) {
    this.#options = options;
  }

  /** @throws ConnectorError `no_external_id` */
  get(settings: S3Settings): S3Client {
    const { endpoint, auth_method, role_arn } = settings;
    const region = settings.region ?? this.#regions.get(placeOf(settings)) ?? workerRegion();
    const session = auth_method === 'iam_role' ? sessionName(settings.name) : null;
    const key = JSON.stringify([region, endpoint, auth_method, role_arn, session]);
    const client = this.#clients.get(key) ?? this.#make({ ...settings, region });
    // The last again, in a map's order.
    this.#clients.delete(key);
    this.#clients.set(key, client);
    if (this.#clients.size > MAX_CLIENTS) this.#clients.delete(this.#clients.keys().next().value!);
    return client;
  }

  /** Notes where a bucket is, for all connectors that do not say: else each of their requests would be redirected. */
  noteRegion(settings: S3Settings, region: string): void {
    this.#regions.set(placeOf(settings), region);
  }

  close(): void {
    for (const client of this.#clients.values()) client.destroy();
  }

  #make(settings: S3Settings & { region: string }): S3Client {
    const client = countRequests(
      new S3Client({
        ...clientConfig(settings),
        ...this.#authentication(settings),
        requestHandler: this.#requestHandler ?? handlerConfig(this.#options),
      }),
    );
    this.#requestHandler ??= client.config.requestHandler;
    return client;
  }

  #authentication(settings: S3Settings): Pick<S3ClientConfig, 'signer' | 'credentials'> {
    switch (settings.auth_method) {
      case 'worker':
        return { credentials: this.worker };
      case 'anonymous':
        return {
          signer: { sign: async (request) => request },
          credentials: { accessKeyId: '', secretAccessKey: '' },
        };
      case 'iam_role':
        return {
          credentials: roleCredentials({
            roleArn: settings.role_arn ?? '',
            externalId: this.#requireExternalId(),
            session: sessionName(settings.name),
            worker: this.worker,
            region: workerRegion(),
          }),
        };
    }
  }

  #requireExternalId(): string {
    if (this.#options.externalId !== null) return this.#options.externalId;
    throw new ConnectorError(
      'no_external_id',
      'auth_method iam_role needs the external id PROJECT_ID/SERVICE_ID, which this worker does not have',
      {
        hint: "Set both PROJECT_ID and SERVICE_ID in the worker's environment; a role is never assumed without an external id.",
      },
    );
  }
}

/** Whether the bucket is Amazon's, also behind an endpoint of one's own network there. */
export function isAmazon(settings: Pick<S3Settings, 'endpoint'>): boolean {
  const endpoint = ownEndpoint(settings);
  if (!endpoint) return true;
  return URL.canParse(endpoint) && /\.amazonaws\.com(\.cn)?$/.test(new URL(endpoint).hostname);
}

/** Where the requests go, unless the SDK finds Amazon's own endpoint. */
function ownEndpoint({ endpoint }: Pick<S3Settings, 'endpoint'>): string | undefined {
  return endpoint ?? process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL;
}

function clientConfig({ region, endpoint }: S3Settings & { region: string }): S3ClientConfig {
  return {
    region,
    maxAttempts: MAX_TRIES,
    responseChecksumValidation: 'WHEN_REQUIRED',
    ...(ownEndpoint({ endpoint }) ? { forcePathStyle: true } : {}),
    ...(endpoint ? { endpoint } : {}),
  };
}

function placeOf({ endpoint, bucket }: S3Settings): string {
  return JSON.stringify([endpoint, bucket]);
}

function workerRegion(): string {
  return process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION ?? 'us-east-1';
}

function handlerConfig({ timeouts }: S3Options) {
  return {
    connectionTimeout: timeouts.connectMs,
    // One of silence, so a long download is not cut while bytes come.
    socketTimeout: timeouts.idleMs,
    httpsAgent: { maxSockets: MAX_SOCKETS },
    httpAgent: { maxSockets: MAX_SOCKETS },
  };
}
