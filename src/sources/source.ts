/** The interface of a "source": where files come from. A new source is one new file that implements it. */
import type { Readable } from 'node:stream';

/** One object of a bucket, as listed. */
export interface SourceObject {
  key: string;
  /** The version's ETag, with its quotes. */
  etag: string;
  sizeBytes: number;
  lastModified: Date;
  /** S3's name of it, such as `GLACIER`; undefined where the source does not say. A HEAD never says `STANDARD`. */
  storageClass?: string | undefined;
  /** Whether the bytes cannot be read until the object is restored. Only `head` says so. */
  archived?: true;
}

export interface ListOptions {
  prefix: string;
  delimiter: string | undefined;
  startAfter: string | null;
  /** Allows to list ranges of keys side by side if the listing turns out long. Undefined: one page at a time. */
  ahead?: Ahead | undefined;
  /** How an earlier listing ended. Undefined: nothing is known. */
  ending?: Ending | undefined;
}

/** What a listing that reached the end of the bucket has found out for the next one. */
export interface Ending {
  /** Folders that are not crowded, nor is a folder around them: see src/sources/s3_walk.ts. */
  uncrowded: readonly string[];
  /** The last key or folder of the bucket. */
  lastName: string;
}

/** How far the caller will read on. Nobody reads pages beyond that. */
export interface Ahead {
  /** Returns about how many more pages it will read, as far as it knows after the last one. */
  pages(): number;
  /** It reads no further than to the page with this key. */
  until?: string | undefined;
}

/** A page of a listing. */
export interface ListPage {
  /** In key order, after those of the page before. */
  objects: SourceObject[];
  /** The folders that were not walked, in key order. */
  folders: string[];
  /** Whether the server cut the page, because more follows than it puts on one. */
  truncated: boolean;
  /** The last key or folder so far, where a later listing can continue; null while nothing was listed. */
  lastKey: string | null;
  /** LIST requests since the page before. */
  requests: number;
  /** How many ranges are listed side by side. Undefined: none, and no page is here already. */
  sideBySide?: number;
  /** Folders that this listing has found not to be crowded; undefined: it did not look. */
  uncrowded?: readonly string[];
}

/** Counts LIST requests, with their retries: S3 bills each. */
export interface ListCount {
  requests: number;
}

export interface Source {
  /**
   * Lists the pages in key order. An answer that is out of order, or leads back, is an error.
   * @throws ConnectorError `list_out_of_order`, `list_goes_round`, `bucket_missing`, `access_denied`, `source_unavailable` ...
   */
  list(options: ListOptions): AsyncIterable<ListPage>;
  /**
   * Lists one key, to find out whether the bucket can be read.
   * @throws ConnectorError the errors of list
   */
  probe(
    options: Pick<ListOptions, 'prefix' | 'delimiter'> & { signal?: AbortSignal | undefined },
  ): Promise<void>;
  /**
   * Opens exactly the listed version of an object, from a byte offset to its end, or for a length in bytes.
   * @throws ConnectorError `object_changed`, `object_missing`, `access_denied`, `source_unavailable` ...
   */
  open(
    object: SourceObject,
    options: { offset: number; length?: number; signal: AbortSignal },
  ): Promise<Readable>;
  /** Asks for a version that the object does not have. Returns whether the source refuses it. */
  refusesOtherVersion(object: SourceObject, options: { signal: AbortSignal }): Promise<boolean>;
  /** Returns the current version of an object. Throws the errors of open. */
  head(key: string, options?: { signal?: AbortSignal }): Promise<SourceObject>;
  /**
   * Finds the worker's credentials, without using them.
   * @returns where they come from, in words; never a part of them
   * @throws ConnectorError `no_credentials`
   */
  credentials(): Promise<string>;
  /**
   * Assumes the connector's role now, even if it is assumed already. Does nothing if the connector has none.
   * @throws ConnectorError `no_external_id`, `assume_role_denied`, `no_credentials`, `sts_unavailable` ...
   */
  assumeRole(): Promise<void>;
}
