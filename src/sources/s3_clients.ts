/** Creates and caches clients of the AWS SDK. */
import { S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import type { Config } from '../config.ts';
import { ConnectorError } from '../errors.ts';
import { limitAnswers } from './answers.ts';
import { type HandlerConfig, handlerConfig } from './http_agents.ts';
import { workerRegion } from './region.ts';
import { type CredentialProvider, workerCredentials } from './s3_credentials.ts';
import { leaveOutUnused } from './s3_middleware.ts';
import { type Place, Places } from './s3_places.ts';
import { countRequests } from './s3_requests.ts';
import { roleCredentials, sessionName } from './s3_role.ts';

/** The settings of a connector for access to its bucket. */
export interface S3Settings {
  /** The connector's name, which names the sessions of its role. */
  name: string;
  bucket: string;
  region: string | null;
  endpoint: string | null;
  auth_method: 'worker' | 'anonymous' | 'iam_role';
  role_arn: string | null;
  requester_pays?: boolean;
  /** Null: the worker finds it out. */
  path_style?: boolean | null;
}

/** The settings of the worker for access to S3. */
export type S3Options = Pick<Config, 'allowedEndpoints' | 'externalId' | 'proxyEnv' | 'timeouts'> &
  Partial<Pick<Config, 'customerKeys'>>;

/** How often the SDK tries one request, with its own backoff. */
export const MAX_TRIES = 4;
/** The size of the cache. Evicting the least recently used client only costs a new session of its role. */
const MAX_CLIENTS = 1000;
const MAX_SOCKETS = 200;

/**
 * Connectors with the same access share a client, and all clients share connections. With a role, each connector has its own
 * client, so that the session's name has the connector.
 */
export class S3Clients {
  readonly #options: S3Options;
  readonly #clients = new Map<string, S3Client>();
  /** The worker's own credentials, from the default chain of AWS tools. */
  readonly worker: CredentialProvider;
  readonly places = new Places();
  #requestHandler: S3ClientConfig['requestHandler'];

  constructor(options: S3Options) {
    this.#options = options;
    // For a profile's role or sign-in.
    const requestHandler = this.#handlerConfig();
    this.worker = workerCredentials(requestHandler);
  }

  /**
   * Returns the client for a connector.
   * @throws ConnectorError `no_external_id`
   */
  get(settings: S3Settings): S3Client {
    const { endpoint, auth_method, role_arn } = settings;
    const place = this.places.of(settings);
    const region = settings.region ?? place.region ?? null;
    const path_style = usesPathStyle(settings, place);
    const session = auth_method === 'iam_role' ? sessionName(settings.name) : null;
    const key = JSON.stringify([region, endpoint, path_style, auth_method, role_arn, session]);
    const client = this.#clients.get(key) ?? this.#make({ ...settings, region, path_style });
    // Move it to the end of the map: the first entry is the least recently used.
    this.#clients.delete(key);
    this.#clients.set(key, client);
    if (this.#clients.size > MAX_CLIENTS) this.#clients.delete(this.#clients.keys().next().value!);
    return client;
  }

  close(): void {
    for (const client of this.#clients.values()) client.destroy();
  }

  #make(settings: S3Settings): S3Client {
    const client = countRequests(
      new S3Client({
        ...clientConfig(settings),
        ...this.#authentication(settings),
        requestHandler: this.#requestHandler ?? this.#handlerConfig(),
      }),
    );
    this.#requestHandler ??= client.config.requestHandler;
    return leaveOutUnused(limitAnswers(client));
  }

  #handlerConfig(): HandlerConfig {
    const { proxyEnv, timeouts } = this.#options;
    return handlerConfig(proxyEnv, { maxSockets: MAX_SOCKETS, ...timeouts });
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
        hint: "Set both PROJECT_ID and SERVICE_ID in the worker's environment. A role is never assumed without an external id.",
      },
    );
  }
}

/** Returns whether the bucket is Amazon's. Its endpoint may be a VPC endpoint. */
export function isAmazon(settings: Pick<S3Settings, 'endpoint'>): boolean {
  const endpoint = ownEndpoint(settings);
  if (!endpoint) return true;
  return URL.canParse(endpoint) && /\.amazonaws\.com(\.cn)?$/.test(new URL(endpoint).hostname);
}

/** Returns the endpoint of requests; undefined for Amazon's default one. */
export function ownEndpoint({ endpoint }: Pick<S3Settings, 'endpoint'>): string | undefined {
  return endpoint ?? process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL;
}

function clientConfig({ region, endpoint, path_style }: S3Settings): S3ClientConfig {
  return {
    region: region ?? workerRegion,
    // An access point is in the region that its ARN names.
    useArnRegion: true,
    maxAttempts: MAX_TRIES,
    // Some servers refuse requests with checksums. None is needed for LIST, GET and HEAD.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    forcePathStyle: path_style ?? false,
    ...(endpoint ? { endpoint } : {}),
  };
}

/** Returns whether requests name the bucket in the path, `host/bucket`, and not in the host, `bucket.host`. */
export function usesPathStyle(settings: S3Settings, { virtualHosted }: Place): boolean {
  // An access point has a host of its own.
  if (settings.bucket.startsWith('arn:')) return false;
  return settings.path_style ?? (ownEndpoint(settings) !== undefined && !virtualHosted);
}
