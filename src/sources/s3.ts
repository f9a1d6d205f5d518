/** S3 as a source of files. */
import type { Readable } from 'node:stream';
import {
  GetObjectCommand,
  type GetObjectCommandOutput,
  HeadObjectCommand,
  ListObjectsV2Command,
  type S3Client,
} from '@aws-sdk/client-s3';
import { ConnectorError } from '../errors.ts';
import { checkVersion, requireEtag } from './object_version.ts';
import { isAmazon, MAX_TRIES, S3Clients, type S3Options, type S3Settings } from './s3_clients.ts';
import { describeCredentials } from './s3_credentials.ts';
import { takeEntries } from './s3_entries.ts';
import { hasExpired, regionOf, toConnectorError } from './s3_errors.ts';
import { type S3Page, toPage } from './s3_listing.ts';
import { countLists } from './s3_requests.ts';
import { type ListRequest, listPages } from './s3_walk.ts';
import type { ListCount, ListOptions, ListPage, Source, SourceObject } from './source.ts';

/** Opens the sources of one worker's connectors. */
export class S3Sources {
  readonly #options: S3Options;
  readonly #clients: S3Clients;

  constructor(options: S3Options) {
    this.#options = options;
    this.#clients = new S3Clients(options);
  }

  /**
   * Opens the source of a connector.
   * @param lists gets the LIST requests that it sends
   * @throws ConnectorError `endpoint_not_allowed`, `no_external_id`
   */
  open(settings: S3Settings, lists: ListCount = { requests: 0 }): Source {
    this.#checkEndpoint(settings.endpoint);
    const { connectMs, idleMs } = this.#options.timeouts;
    return new S3Source(this.#clients, settings, {
      answerMs: MAX_TRIES * (connectMs + idleMs),
      lists,
    });
  }

  close(): void {
    this.#clients.close();
  }

  #checkEndpoint(endpoint: string | null): void {
    if (endpoint === null || this.#options.allowedEndpoints.includes(new URL(endpoint).origin)) return;
    throw new ConnectorError(
      'endpoint_not_allowed',
      `endpoint ${endpoint} is not among the worker's S3_ALLOWED_ENDPOINTS`,
      {
        hint: 'Ask the operator of the worker to add it there. The list keeps connectors away from internal addresses.',
      },
    );
  }
}

const UNUSED_ETAG = `"${'0'.repeat(32)}"`;

/** How often a refused request is repeated: once with another region, once with new credentials. */
const MAX_REPAIRS = 2;

class S3Source implements Source {
  readonly #clients: S3Clients;
  readonly #settings: S3Settings;
  readonly #bucket: string;
  /** How long an answer without an object's bytes may take, in milliseconds: the timeouts of all its tries. */
  readonly #answerMs: number;
  readonly #lists: ListCount;

  constructor(
    clients: S3Clients,
    settings: S3Settings,
    { answerMs, lists }: { answerMs: number; lists: ListCount },
  ) {
    this.#clients = clients;
    this.#settings = settings;
    this.#bucket = settings.bucket;
    this.#answerMs = answerMs;
    this.#lists = lists;
  }

  list(options: ListOptions): AsyncIterable<ListPage> {
    // Amazon's own LIST needs no workaround, and each of its requests costs money.
    const aroundCrowds = !isAmazon(this.#settings);
    return listPages((request) => this.#listPage(request), options, { aroundCrowds });
  }

  async probe({ prefix, delimiter, signal }: Parameters<Source['probe']>[0]): Promise<void> {
    await this.#listPage({ prefix, delimiter, maxKeys: 1 }, signal);
  }

  async #listPage(
    { prefix, delimiter, startAfter, token, maxKeys }: ListRequest,
    signal?: AbortSignal,
  ): Promise<S3Page> {
    return await this.#ask(`listing ${prefix || 'all keys'}`, async (client) => {
      const command = new ListObjectsV2Command({
        Bucket: this.#bucket,
        Prefix: prefix,
        Delimiter: delimiter,
        StartAfter: startAfter,
        ContinuationToken: token,
        MaxKeys: maxKeys,
        // Keys may have characters that XML cannot represent.
        EncodingType: 'url',
      });
      countLists(command, this.#lists);
      const entries = takeEntries(command);
      return toPage(await client.send(command, this.#limit(signal)), entries);
    });
  }

  async open(
    object: SourceObject,
    options: { offset: number; length?: number; signal: AbortSignal },
  ): Promise<Readable> {
    requireEtag(object.etag, object.key);
    const asked = range(options);
    const answer = await this.#get(object.key, { ifMatch: object.etag, asked, signal: options.signal });
    const body = answer.Body as Readable;
    try {
      if (asked !== undefined && !answer.ContentRange?.startsWith(`bytes ${options.offset}-`))
        throw notTheRange(asked, answer.ContentRange);
      checkVersion(object, answer);
    } catch (error) {
      body.destroy();
      throw error;
    }
    return body;
  }

  async #get(
    key: string,
    { ifMatch, asked, signal }: { ifMatch: string; asked: string | undefined; signal: AbortSignal },
  ): Promise<GetObjectCommandOutput> {
    return await this.#ask(key, (client) =>
      client.send(new GetObjectCommand({ Bucket: this.#bucket, Key: key, IfMatch: ifMatch, Range: asked }), {
        abortSignal: signal,
      }),
    );
  }

  async refusesOtherVersion(object: SourceObject, { signal }: { signal: AbortSignal }): Promise<boolean> {
    try {
      const asked = range({ offset: 0, ...(object.sizeBytes > 0 ? { length: 1 } : {}) });
      const answer = await this.#get(object.key, { ifMatch: UNUSED_ETAG, asked, signal });
      (answer.Body as Readable).destroy();
      return false;
    } catch (error) {
      if (error instanceof ConnectorError && error.code === 'object_changed') return true;
      throw error;
    }
  }

  async head(key: string, options: { signal?: AbortSignal } = {}): Promise<SourceObject> {
    const answer = await this.#ask(key, (client) =>
      client.send(new HeadObjectCommand({ Bucket: this.#bucket, Key: key }), this.#limit(options.signal)),
    );
    requireEtag(answer.ETag, key);
    if (answer.ContentLength === undefined) throw noSize(key);
    return {
      key,
      etag: answer.ETag,
      sizeBytes: answer.ContentLength,
      lastModified: answer.LastModified ?? new Date(0),
      storageClass: answer.StorageClass,
    };
  }

  async credentials(): Promise<string> {
    const assumes = this.#settings.auth_method === 'iam_role';
    return await describeCredentials(assumes ? this.#clients.worker : this.#client.config.credentials);
  }

  async assumeRole(): Promise<void> {
    if (this.#settings.auth_method === 'iam_role') await renewCredentials(this.#client);
  }

  get #client(): S3Client {
    return this.#clients.get(this.#settings);
  }

  /** Returns a signal that ends a request that takes too long, even if bytes arrive, or whose caller stopped. */
  #limit(signal?: AbortSignal): { abortSignal: AbortSignal } {
    const timeout = AbortSignal.timeout(this.#answerMs);
    return { abortSignal: signal ? AbortSignal.any([timeout, signal]) : timeout };
  }

  async #ask<T>(what: string, request: (client: S3Client) => Promise<T>): Promise<T> {
    try {
      for (let repairs = 0; ; repairs += 1) {
        const client = this.#client;
        try {
          return await request(client);
        } catch (error) {
          if (repairs === MAX_REPAIRS || !(await this.#repair(client, error))) throw error;
        }
      }
    } catch (error) {
      throw toConnectorError(error, { bucket: this.#bucket, what });
    }
  }

  /** Switches to the bucket's region, or renews credentials. Returns whether the request can be repeated. */
  async #repair(client: S3Client, error: unknown): Promise<boolean> {
    const region = regionOf(error);
    if (region !== undefined && region !== (await client.config.region())) {
      if (this.#settings.region !== null) return false;
      this.#clients.noteRegion(this.#settings, region);
      return true;
    }
    if (!hasExpired(error)) return false;
    await renewCredentials(client);
    return true;
  }
}

async function renewCredentials(client: S3Client): Promise<void> {
  await client.config.credentials({ forceRefresh: true });
}

/** Returns the error for an answer with another range: its bytes would be written to the wrong place in the file. */
function notTheRange(asked: string, got: string | undefined): ConnectorError {
  return new ConnectorError(
    'bad_range',
    `the server was asked for ${asked} and sent ${got ?? 'another range'}`,
    {
      hint: 'Configure the S3-compatible server, or the proxy in front of it, to answer Range requests as S3 does.',
    },
  );
}

/** Returns the error for an answer without a size: the object would look empty, and succeed without rows. */
function noSize(key: string): ConnectorError {
  return new ConnectorError(
    'source_unavailable',
    `the answer to a HEAD request for ${key} has no Content-Length`,
    {
      passing: true,
    },
  );
}

/** Returns the Range header; undefined for the whole object, because S3 refuses a range of an empty one. */
function range({ offset, length }: { offset: number; length?: number }): string | undefined {
  if (length !== undefined) return `bytes=${offset}-${offset + length - 1}`;
  return offset > 0 ? `bytes=${offset}-` : undefined;
}
