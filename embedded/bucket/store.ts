/** The buckets and objects of the server, in memory or in files. */
import { createHash, hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { checkBucketName } from './bucket_name.ts';
import { S3Error } from './errors.ts';
import { compareKeys, firstIndex, sortKeys } from './keys.ts';

const NONE = {};
/** S3's limit, in bytes of UTF-8. */
const MAX_KEY_BYTES = 1024;

export interface StoredObject {
  readonly key: string;
  readonly size: number;
  /** Including its quotes. */
  readonly etag: string;
  /** In whole seconds, as S3 stores it. */
  readonly lastModified: Date;
  readonly body: Buffer | { readonly path: string };
  /** Headers that a GET returns: `content-type`, `x-amz-storage-class`, `x-amz-meta-*` and others. */
  readonly headers: Readonly<Record<string, string>>;
  /** Base64 by algorithm (`crc32`). Clients send them with a PUT, and a GET can return them. */
  readonly checksums: Readonly<Record<string, string>>;
  /** The key (SSE-C) that reads must send. The bytes are stored as they are. */
  readonly customerKey: Buffer | undefined;
}

export interface PutOptions {
  /** Default: now. */
  lastModified?: Date;
  headers?: Record<string, string>;
  checksums?: Record<string, string>;
  customerKey?: Buffer;
}

export interface PutEntry extends PutOptions {
  key: string;
  body: Buffer | string;
}

export interface Bucket {
  readonly name: string;
  readonly region: string;
  readonly created: Date;
  readonly requesterPays: boolean;
  readonly objects: Map<string, StoredObject>;
  /** In S3's order. */
  readonly keys: string[];
}

/** The buckets and their objects. Tests can change them directly, without a request, signature or permission. */
export class ObjectStore {
  readonly region: string;
  readonly #buckets = new Map<string, Bucket>();

  constructor(region: string) {
    this.region = region;
  }

  /** `anyName`: also one that S3 does not allow. @throws S3Error InvalidBucketName, BucketAlreadyOwnedByYou */
  createBucket(
    name: string,
    options: { region?: string; requesterPays?: boolean; anyName?: true } = {},
  ): void {
    if (!options.anyName) checkBucketName(name);
    if (this.#buckets.has(name))
      throw new S3Error('BucketAlreadyOwnedByYou', { fields: { BucketName: name } });
    const { region = this.region, requesterPays = false } = options;
    const created = new Date();
    this.#buckets.set(name, { name, region, created, requesterPays, objects: new Map(), keys: [] });
  }

  /** @throws S3Error NoSuchBucket, BucketNotEmpty */
  deleteBucket(name: string): void {
    if (this.bucket(name).keys.length > 0)
      throw new S3Error('BucketNotEmpty', { fields: { BucketName: name } });
    this.#buckets.delete(name);
  }

  /** Returns the buckets, by name in S3's order. */
  buckets(): Readonly<Bucket>[] {
    return [...this.#buckets.values()].sort((a, b) => compareKeys(a.name, b.name));
  }

  hasBucket(name: string): boolean {
    return this.#buckets.has(name);
  }

  /** @throws S3Error NoSuchBucket */
  bucket(name: string): Readonly<Bucket> {
    const bucket = this.#buckets.get(name);
    if (!bucket) throw new S3Error('NoSuchBucket', { fields: { BucketName: name } });
    return bucket;
  }

  /** Returns all keys in S3's order. */
  keys(bucket: string): readonly string[] {
    return this.bucket(bucket).keys;
  }

  get(bucket: string, key: string): StoredObject | undefined {
    return this.bucket(bucket).objects.get(key);
  }

  /** Stores an object. Responses that are already being sent continue with the old bytes. */
  put(bucket: string, key: string, body: Buffer | string, options: PutOptions = {}): StoredObject {
    const object = objectInMemory({ ...options, key, body });
    this.#add(this.bucket(bucket), object);
    return object;
  }

  /** Stores many objects, up to millions. It is faster than `put`, because it sorts the keys once. */
  putMany(bucket: string, entries: Iterable<PutEntry>): void {
    const { objects, keys } = this.bucket(bucket);
    try {
      for (const entry of entries) {
        const object = objectInMemory(entry);
        if (!objects.has(object.key)) keys.push(object.key);
        objects.set(object.key, object);
      }
    } finally {
      sortKeys(keys);
    }
  }

  /** Stores an object whose body is a file. The file must not change while the object exists. */
  async putFile(bucket: string, key: string, path: string, options: PutOptions = {}): Promise<StoredObject> {
    checkKey(key);
    const md5 = createHash('md5');
    let size = 0;
    for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) {
      md5.update(chunk);
      size += chunk.length;
    }
    const object = describe({ ...options, key, size, md5: md5.digest('hex'), body: { path } });
    this.#add(this.bucket(bucket), object);
    return object;
  }

  /** Deletes an object. Returns false if the key did not exist. */
  delete(bucket: string, key: string): boolean {
    const { objects, keys } = this.bucket(bucket);
    if (!objects.delete(key)) return false;
    keys.splice(indexOfKey(keys, key), 1);
    return true;
  }

  #add({ objects, keys }: Bucket, object: StoredObject): void {
    if (!objects.has(object.key)) keys.splice(indexOfKey(keys, object.key), 0, object.key);
    objects.set(object.key, object);
  }
}

function indexOfKey(keys: readonly string[], key: string): number {
  return firstIndex(keys, (other) => compareKeys(other, key) >= 0);
}

/** Refuses a key that S3 does not allow. @throws S3Error KeyTooLongError, InvalidURI */
export function checkKey(key: string): void {
  const size = Buffer.byteLength(key);
  if (size > MAX_KEY_BYTES) {
    throw new S3Error('KeyTooLongError', {
      fields: { Size: String(size), MaxSizeAllowed: String(MAX_KEY_BYTES) },
    });
  }
  if (key === '' || !key.isWellFormed()) throw new S3Error('InvalidURI');
}

function objectInMemory({ body, ...rest }: PutEntry): StoredObject {
  checkKey(rest.key);
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  return describe({ ...rest, size: bytes.length, md5: hash('md5', bytes), body: bytes });
}

interface Described extends PutOptions {
  key: string;
  size: number;
  md5: string;
  body: StoredObject['body'];
}

function describe({ key, size, md5, body, lastModified, ...rest }: Described): StoredObject {
  const { headers, checksums, customerKey } = rest;
  return {
    key,
    size,
    etag: `"${md5}"`,
    lastModified: wholeSeconds(lastModified ?? new Date()),
    body,
    headers: headers ?? NONE,
    checksums: checksums ?? NONE,
    customerKey,
  };
}

function wholeSeconds(date: Date): Date {
  return new Date(Math.floor(date.getTime() / 1000) * 1000);
}
