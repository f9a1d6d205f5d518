/** S3 as a source of files. */
import type { Readable } from 'node:stream';
import { HeadObjectCommand, ListObjectsV2Command, type S3Client } from '@aws-sdk/client-s3';
import { ConnectorError } from '../errors.ts';
import { at } from '../fault_points.ts';
import { withTimeout } from '../waiting.ts';
import { checkVersion, requireEtag } from './object_version.ts';
import { isArchived } from './s3_archives.ts';
import {
  isAmazon,
  MAX_TRIES,
  ownEndpoint,
  S3Clients,
  type S3Options,
  type S3Settings,
  usesPathStyle,
} from './s3_clients.ts';
import { describeCredentials } from './s3_credentials.ts';
import { type CustomerKey, keyParameters } from './s3_customer_keys.ts';
import { takeEntries } from './s3_entries.ts';
import type { ErrorContext } from './s3_error_table.ts';
import { hasExpired, refusesAddressing, regionOf, toConnectorError } from './s3_errors.ts';
import { getObject, type ObjectAnswer } from './s3_get.ts';
import { type S3Page, toPage } from './s3_listing.ts';
import type { Place } from './s3_places.ts';
import { listInOrder } from './s3_ranges.ts';
import { countLists } from './s3_requests.ts';
import { askForStoredBytes, Transcoded } from './s3_stored_bytes.ts';
import type { ListRequest } from './s3_walk.ts';
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
    const { customerKeys = [], timeouts } = this.#options;
    return new S3Source(this.#clients, settings, {
      answerMs: MAX_TRIES * (timeouts.connectMs + timeouts.idleMs),
      lists,
      customerKeys,
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

/** How often a refused request is repeated: once for each fact about the place, and once with new credentials. */
const MAX_REPAIRS = 4;

/** The request of an error. */
type Asked = Pick<ErrorContext, 'request' | 'what'>;

class S3Source implements Source {
  readonly #clients: S3Clients;
  readonly #settings: S3Settings;
  readonly #bucket: string;
  /** How long an answer without an object's bytes may take, in milliseconds: the timeouts of all its tries. */
  readonly #answerMs: number;
  readonly #lists: ListCount;
  readonly #customerKeys: readonly CustomerKey[];

  constructor(
    clients: S3Clients,
    settings: S3Settings,
    options: { answerMs: number; lists: ListCount; customerKeys: readonly CustomerKey[] },
  ) {
    this.#clients = clients;
    this.#settings = settings;
    this.#bucket = settings.bucket;
    this.#answerMs = options.answerMs;
    this.#lists = options.lists;
    this.#customerKeys = options.customerKeys;
  }

  list(options: ListOptions): AsyncIterable<ListPage> {
    // Amazon's own LIST needs no workaround, and each of its requests costs money.
    const aroundCrowds = !isAmazon(this.#settings);
    return listInOrder((request, signal) => this.#listPage(request, signal), options, { aroundCrowds });
  }

  async probe({ prefix, delimiter, signal }: Parameters<Source['probe']>[0]): Promise<void> {
    await this.#listPage({ prefix, delimiter, maxKeys: 1 }, signal);
  }

  async #listPage(
    { prefix, delimiter, startAfter, token, maxKeys }: ListRequest,
    signal?: AbortSignal,
  ): Promise<S3Page> {
    const asked: Asked = { request: 'list', what: `listing ${prefix || 'all keys'}` };
    const ask = () =>
      this.#ask(asked, async (client) => {
        const command = new ListObjectsV2Command({
          ...this.#parameters(),
          Prefix: prefix,
          Delimiter: delimiter,
          // S3 ignores it if there is a token, but some servers refuse both.
          StartAfter: token === undefined ? startAfter : undefined,
          ContinuationToken: token,
          MaxKeys: maxKeys,
          // Keys may have characters that XML cannot represent.
          EncodingType: 'url',
        });
        countLists(command, this.#lists);
        const entries = takeEntries(command);
        return toPage(await this.#limit(signal, (options) => client.send(command, options)), entries);
      });
    return await at('list_page', ask, 'source');
  }

  async open(
    object: SourceObject,
    options: { offset: number; length?: number; signal: AbortSignal },
  ): Promise<Readable> {
    requireEtag(object.etag, object.key);
    const asked = range(options);
    const answer = await this.#get(object.key, { ifMatch: object.etag, asked, signal: options.signal });
    const body = answer.Body;
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
  ): Promise<ObjectAnswer> {
    return await this.#ask({ request: 'object', what: key }, (client, place) => {
      const parameters = this.#readParameters(key);
      return getObject(client, { parameters, key, ifMatch, range: asked, place, signal });
    });
  }

  async refusesOtherVersion(object: SourceObject, { signal }: { signal: AbortSignal }): Promise<boolean> {
    try {
      const asked = range({ offset: 0, ...(object.sizeBytes > 0 ? { length: 1 } : {}) });
      const answer = await this.#get(object.key, { ifMatch: UNUSED_ETAG, asked, signal });
      answer.Body.destroy();
      return false;
    } catch (error) {
      if (error instanceof ConnectorError && error.code === 'object_changed') return true;
      throw error;
    }
  }

  async head(key: string, options: { signal?: AbortSignal } = {}): Promise<SourceObject> {
    const answer = await this.#ask({ request: 'object', what: key }, (client, place) => {
      const command = new HeadObjectCommand({ ...this.#readParameters(key), Key: key });
      askForStoredBytes(command, place);
      return this.#limit(options.signal, (limited) => client.send(command, limited));
    });
    requireEtag(answer.ETag, key);
    if (answer.ContentLength === undefined) throw noSize(key);
    return {
      key,
      etag: answer.ETag,
      sizeBytes: answer.ContentLength,
      lastModified: answer.LastModified ?? new Date(0),
      storageClass: answer.StorageClass,
      ...(isArchived(answer) ? { archived: true } : {}),
    };
  }

  async credentials(): Promise<string> {
    const assumes = this.#settings.auth_method === 'iam_role';
    return await describeCredentials(assumes ? this.#clients.worker : this.#client.config.credentials);
  }

  async assumeRole(): Promise<void> {
    if (this.#settings.auth_method === 'iam_role') await renewCredentials(this.#client);
  }

  /** Returns the parameters of every request. */
  #parameters(): { Bucket: string; RequestPayer?: 'requester' } {
    const { bucket, requester_pays } = this.#settings;
    return { Bucket: bucket, ...(requester_pays ? { RequestPayer: 'requester' } : {}) };
  }

  /** Returns the parameters for reading an object, except for its key. */
  #readParameters(key: string) {
    const url = ownEndpoint(this.#settings);
    const keys = keyParameters(this.#customerKeys, this.#settings, { objectKey: key, url });
    return { ...this.#parameters(), ...keys };
  }

  get #client(): S3Client {
    return this.#clients.get(this.#settings);
  }

  /** Sends a request whose answer is no object. Ends it if it takes too long, even if bytes arrive, or if its caller stopped. */
  #limit<T>(
    signal: AbortSignal | undefined,
    send: (options: { abortSignal: AbortSignal }) => Promise<T>,
  ): Promise<T> {
    return withTimeout(this.#answerMs, signal, (abortSignal) => send({ abortSignal }));
  }

  /** Sends a request. Repeats it after a refusal that tells about the place, or once with new credentials. */
  async #ask<T>(asked: Asked, request: (client: S3Client, place: Place) => Promise<T>): Promise<T> {
    const context = { ...asked, bucket: this.#bucket };
    try {
      for (let renewed = false, repairs = 0; ; repairs += 1) {
        const client = this.#client;
        try {
          return await request(client, this.#place);
        } catch (error) {
          if (repairs === MAX_REPAIRS) throw error;
          const found = await this.#findOut(client, error, context);
          if (found) {
            this.#clients.places.note(this.#settings, found);
          } else {
            if (renewed || !hasExpired(error, context)) throw error;
            await renewCredentials(client);
            renewed = true;
          }
        }
      }
    } catch (error) {
      if (error instanceof Transcoded) throw decompressed(asked.what);
      throw toConnectorError(error, context);
    }
  }

  /** Returns what the error tells about the place, if it is new and the connector does not say otherwise. */
  async #findOut(client: S3Client, error: unknown, context: ErrorContext): Promise<Place | undefined> {
    if (error instanceof Transcoded) return this.#place.gunzips ? undefined : { gunzips: true };
    const region = regionOf(error);
    if (region !== undefined && region !== (await client.config.region()))
      return this.#settings.region === null ? { region } : undefined;
    const isOpen = (this.#settings.path_style ?? null) === null;
    const canChange = isOpen && usesPathStyle(this.#settings, this.#place);
    return canChange && refusesAddressing(error, context) ? { virtualHosted: true } : undefined;
  }

  get #place(): Place {
    return this.#clients.places.of(this.#settings);
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

/** Returns the error for a server that decompresses although gzip is accepted: its bytes are not the listed ones. */
function decompressed(key: string): ConnectorError {
  return new ConnectorError(
    'transcoded',
    `the server, or a proxy in front of it, sends ${key} decompressed, so its size and its ranges are not the listed ones`,
    {
      hint: 'Configure it to send objects as they are stored. For Google Cloud Storage, set Cache-Control of the object to no-transform.',
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
