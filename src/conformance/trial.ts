/** The place of one try of the server cases: a folder in a bucket, what was written there, and a small S3 client. */
import { randomBytes } from 'node:crypto';
import type { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  type PutObjectCommandInput,
  type S3Client,
} from '@aws-sdk/client-s3';
import { decodeKey, nextToken } from '../sources/s3_listing.ts';
import type { Source } from '../sources/source.ts';
import { Deviation } from './deviation.ts';

/** How many requests run at the same time where many are needed. */
const PARALLEL = 16;
/** S3's limit for one request. */
const MAX_DELETED = 1000;
/** No listing of a case has more pages. */
const MAX_PAGES = 50;

export interface TrialOptions {
  /** Signs as the connector does. It also writes, which the connector never does. */
  client: S3Client;
  /** The same bucket, as the connector reads it. */
  source: Source;
  bucket: string;
  /** All keys begin with it. */
  prefix: string;
  /** A client with other credentials or another region. */
  clientWith(change: { secretAccessKey?: string; region?: string }): Promise<S3Client>;
  signal: AbortSignal;
}

/** The keys and folders of a listing, without the folder of the case. */
export interface Names {
  keys: string[];
  folders: string[];
}

export interface Page extends Names {
  next: string | undefined;
}

interface Asked {
  prefix?: string;
  delimiter?: string;
  startAfter?: string;
  maxKeys?: number;
  token?: string | undefined;
}

export class Trial {
  readonly options: TrialOptions;
  /** Ends in a slash. */
  readonly folder: string;
  /** All keys that were, or may have been, written. */
  readonly #written: Set<string>;

  /** @param parent for the folder of one case in the folder of a try */
  constructor(options: TrialOptions, parent?: { trial: Trial; name: string }) {
    this.options = options;
    this.folder = parent
      ? `${parent.trial.folder}${parent.name}/`
      : `${options.prefix}pg-s3-connector-doctor-${randomBytes(6).toString('hex')}/`;
    this.#written = parent ? parent.trial.#written : new Set();
  }

  /** Returns a folder of its own for a case. */
  within(name: string): Trial {
    return new Trial(this.options, { trial: this, name });
  }

  get #limits(): { abortSignal: AbortSignal } {
    return { abortSignal: this.options.signal };
  }

  /** Writes an object, and returns its key. */
  async put(
    name: string,
    body: string | Buffer = 'x',
    more: Partial<PutObjectCommandInput> = {},
  ): Promise<string> {
    const { client, bucket } = this.options;
    const key = this.folder + name;
    this.#written.add(key);
    // Without its length, the SDK takes an empty body for a stream.
    const input = { Bucket: bucket, Key: key, Body: body, ContentLength: Buffer.byteLength(body), ...more };
    await client.send(new PutObjectCommand(input), this.#limits);
    return key;
  }

  /** Writes objects of one byte. */
  async putAll(names: readonly string[]): Promise<void> {
    await inParallel(names, (name) => this.put(name));
  }

  /** Writes an object unless the server refuses its name. Returns its key, or null. */
  async putIfAllowed(name: string): Promise<string | null> {
    try {
      return await this.put(name, `body of ${name}`);
    } catch (error) {
      const { $metadata } = error as { $metadata?: { httpStatusCode?: number } };
      const status = $metadata?.httpStatusCode ?? 0;
      if (status >= 400 && status < 500 && status !== 403) return null;
      throw error;
    }
  }

  async remove(name: string): Promise<void> {
    await this.#delete(this.folder + name, this.#limits);
  }

  /** Asks for one page, without the connector's own code. */
  async list({ prefix = '', delimiter, startAfter, maxKeys, token }: Asked): Promise<Page> {
    const { client, bucket } = this.options;
    const answer = await client.send(
      new ListObjectsV2Command({
        Bucket: bucket,
        Prefix: this.folder + prefix,
        Delimiter: delimiter,
        StartAfter: startAfter === undefined || token !== undefined ? undefined : this.folder + startAfter,
        MaxKeys: maxKeys,
        ContinuationToken: token,
        EncodingType: 'url',
      }),
      this.#limits,
    );
    const nameOf = (text = '') => {
      const key = answer.EncodingType === 'url' ? decodeKey(text) : text;
      if (!key.startsWith(this.folder))
        throw new Deviation(`asked for keys below ${this.folder}, it lists ${key}`);
      return key.slice(this.folder.length);
    };
    return {
      keys: (answer.Contents ?? []).map(({ Key }) => nameOf(Key)),
      folders: (answer.CommonPrefixes ?? []).map(({ Prefix }) => nameOf(Prefix)),
      next: nextToken(answer),
    };
  }

  /** Asks for all pages. */
  async listAll(asked: Asked): Promise<Names> {
    const all: Names = { keys: [], folders: [] };
    let token: string | undefined;
    let pages = 0;
    do {
      if (++pages > MAX_PAGES) throw new Deviation('the pages of a listing do not end');
      const page = await this.list({ ...asked, token });
      all.keys.push(...page.keys);
      all.folders.push(...page.folders);
      token = page.next;
    } while (token !== undefined);
    return all;
  }

  /** Lists as the connector does, from one key of the case's folder to its end. */
  async listAsConnector(startAfter: string | null = null) {
    const pages = this.options.source.list({
      prefix: this.folder,
      delimiter: undefined,
      startAfter: startAfter === null ? null : this.folder + startAfter,
    });
    const objects = (await Array.fromAsync(pages)).flatMap((page) => page.objects);
    return objects.map((object) => ({ ...object, name: object.key.slice(this.folder.length) }));
  }

  /** Sends a GET request without the connector's own code. */
  async get(name: string, more: { range?: string } = {}): Promise<Readable> {
    const { client, bucket } = this.options;
    const input = { Bucket: bucket, Key: this.folder + name, Range: more.range };
    const { Body } = await client.send(new GetObjectCommand(input), this.#limits);
    return Body as Readable;
  }

  async head(name: string): Promise<void> {
    const { client, bucket } = this.options;
    await client.send(new HeadObjectCommand({ Bucket: bucket, Key: this.folder + name }), this.#limits);
  }

  /**
   * Deletes everything in the folder, also after the signal.
   * @returns the keys that are left
   */
  async clean(): Promise<string[]> {
    const remove = (key: string) => this.#delete(key).catch(() => {});
    const keys = [...this.#written];
    for (let at = 0; at < keys.length; at += MAX_DELETED)
      await this.#deleteMany(keys.slice(at, at + MAX_DELETED));
    await inParallel([...this.#written], remove);
    // Some servers store keys under other names.
    await inParallel(await this.#leftKeys(), remove);
    return await this.#leftKeys();
  }

  /** Deletes what the server lets it delete in one request: some do not have that request. */
  async #deleteMany(keys: string[]): Promise<void> {
    const { client, bucket } = this.options;
    const input = { Bucket: bucket, Delete: { Objects: keys.map((Key) => ({ Key })) } };
    const { Deleted = [] } = await client
      .send(new DeleteObjectsCommand(input))
      .catch(() => ({ Deleted: [] }));
    for (const { Key = '' } of Deleted) this.#written.delete(Key);
  }

  async #leftKeys(): Promise<string[]> {
    const { client, bucket } = this.options;
    const input = { Bucket: bucket, Prefix: this.folder, EncodingType: 'url' } as const;
    const { Contents = [], EncodingType } = await client.send(new ListObjectsV2Command(input));
    return Contents.map(({ Key = '' }) => (EncodingType === 'url' ? decodeKey(Key) : Key));
  }

  async #delete(key: string, options = {}): Promise<void> {
    await this.options.client.send(
      new DeleteObjectCommand({ Bucket: this.options.bucket, Key: key }),
      options,
    );
    this.#written.delete(key);
  }
}

async function inParallel<T>(items: readonly T[], run: (item: T) => Promise<unknown>): Promise<void> {
  const rest = items.values();
  await Promise.all(
    Array.from({ length: PARALLEL }, async () => {
      for (const item of rest) await run(item);
    }),
  );
}
