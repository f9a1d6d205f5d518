import type { Readable } from 'node:stream';
import {
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { fromNodeProviderChain } from '@aws-sdk/credential-providers';
import { ConnectorError } from '../errors.ts';
import { describeCredentials } from './s3_credentials.ts';
import { toConnectorError } from './s3_errors.ts';
import { toPage } from './s3_listing.ts';
import { countRequests } from './s3_requests.ts';
import type { ListPage, Source, SourceObject } from './source.ts';

/** What of a connector decides how its bucket is reached. */
export interface S3Settings {
  bucket: string;
  region: string | null;
  endpoint: string | null;
  auth_method: 'worker' | 'anonymous' | 'iam_role';
}

/** Makes sources; connectors that reach S3 the same way share one client and its connections. */
export class S3Sources {
  readonly #allowedEndpoints: readonly string[];
  readonly #clients = new Map<string, S3Client>();

  constructor(allowedEndpoints: readonly string[]) {
    this.#allowedEndpoints = allowedEndpoints;
  }

  /** @throws ConnectorError `endpoint_not_allowed` */
  open(settings: S3Settings): Source {
    this.#checkEndpoint(settings.endpoint);
    const key = JSON.stringify([settings.region, settings.endpoint, settings.auth_method]);
    const client = this.#clients.get(key) ?? countRequests(new S3Client(clientConfig(settings)));
    this.#clients.set(key, client);
    return new S3Source(client, settings.bucket);
  }

  close(): void {
    for (const client of this.#clients.values()) client.destroy();
  }

  #checkEndpoint(endpoint: string | null): void {
    if (endpoint === null || this.#allowedEndpoints.includes(new URL(endpoint).origin)) return;
    throw new ConnectorError(
      'endpoint_not_allowed',
      `endpoint ${endpoint} is not among the worker's S3_ALLOWED_ENDPOINTS`,
      {
        hint: 'Ask the operator of the worker to add it there; the list keeps connectors away from internal addresses.',
      },
    );
  }
}

function clientConfig(settings: S3Settings): S3ClientConfig {
  const ownEndpoint = settings.endpoint ?? process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL;
  return {
    region: settings.region ?? process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION ?? 'us-east-1',
    followRegionRedirects: settings.region === null,
    maxAttempts: 4,
    responseChecksumValidation: 'WHEN_REQUIRED',
    // Milliseconds. The socket's limit is one of silence, so a long download is not cut while bytes come.
    requestHandler: {
      connectionTimeout: 10_000,
      socketTimeout: 60_000,
      httpsAgent: { maxSockets: 200 },
      httpAgent: { maxSockets: 200 },
    },
    ...(ownEndpoint ? { forcePathStyle: true } : {}),
    ...(settings.endpoint ? { endpoint: settings.endpoint } : {}),
    ...(settings.auth_method === 'anonymous'
      ? {
          signer: { sign: async (request) => request },
          credentials: { accessKeyId: '', secretAccessKey: '' },
        }
      : { credentials: fromNodeProviderChain() }),
  };
}

class S3Source implements Source {
  readonly #client: S3Client;
  readonly #bucket: string;

  constructor(client: S3Client, bucket: string) {
    this.#client = client;
    this.#bucket = bucket;
  }

  async *list(options: {
    prefix: string;
    delimiter: string | undefined;
    startAfter: string | null;
  }): AsyncGenerator<ListPage> {
    let token: string | undefined;
    do {
      const answer = await this.#ask(`listing ${options.prefix || 'all keys'}`, () =>
        this.#client.send(
          new ListObjectsV2Command({
            Bucket: this.#bucket,
            Prefix: options.prefix,
            Delimiter: options.delimiter,
            StartAfter: options.startAfter ?? undefined,
            ContinuationToken: token,
            // Keys may hold characters that XML cannot.
            EncodingType: 'url',
          }),
        ),
      );
      const { next, ...page } = toPage(answer);
      yield page;
      token = next;
    } while (token !== undefined);
  }

  async open(
    object: SourceObject,
    options: { offset: number; length?: number; signal: AbortSignal },
  ): Promise<Readable> {
    const asked = range(options);
    const answer = await this.#ask(object.key, () =>
      this.#client.send(
        new GetObjectCommand({
          Bucket: this.#bucket,
          Key: object.key,
          IfMatch: object.etag,
          Range: asked,
        }),
        { abortSignal: options.signal },
      ),
    );
    const body = answer.Body as Readable;
    if (asked !== undefined && !answer.ContentRange?.startsWith(`bytes ${options.offset}-`)) {
      body.destroy();
      throw notTheRange(asked, answer.ContentRange);
    }
    return body;
  }

  async head(key: string, options: { signal?: AbortSignal } = {}): Promise<SourceObject> {
    const answer = await this.#ask(key, () =>
      this.#client.send(
        new HeadObjectCommand({ Bucket: this.#bucket, Key: key }),
        options.signal ? { abortSignal: options.signal } : {},
      ),
    );
    return {
      key,
      etag: answer.ETag ?? '',
      sizeBytes: answer.ContentLength ?? 0,
      lastModified: answer.LastModified ?? new Date(0),
    };
  }

  async credentials(): Promise<string> {
    return await describeCredentials(this.#client);
  }

  async #ask<T>(what: string, request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      throw toConnectorError(error, { bucket: this.#bucket, what });
    }
  }
}

/** Bytes from elsewhere would land in the middle of the file, without anybody seeing it. */
function notTheRange(asked: string, got: string | undefined): ConnectorError {
  return new ConnectorError(
    'bad_range',
    `the server was asked for ${asked} and sent ${got ?? 'another range'}`,
    {
      hint: 'The S3-compatible server, or a proxy before it, must answer Range requests as S3 does.',
    },
  );
}

/** Undefined for the whole object: S3 refuses a range of an empty one. */
function range({ offset, length }: { offset: number; length?: number }): string | undefined {
  if (length !== undefined) return `bytes=${offset}-${offset + length - 1}`;
  return offset > 0 ? `bytes=${offset}-` : undefined;
}
