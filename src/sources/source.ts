import type { Readable } from 'node:stream';

/** One object of a bucket, as listed. */
export interface SourceObject {
  key: string;
  /** The version's ETag, with its quotes. */
  etag: string;
  sizeBytes: number;
  lastModified: Date;
}

/** The answer to one LIST request. */
export interface ListPage {
  /** In key order. */
  objects: SourceObject[];
  /** The last key or folder of the page, in key order: where a later listing may go on; null on an empty page. */
  lastKey: string | null;
}

/** Where files come from. A new source is one new file that implements this. */
export interface Source {
  /**
   * Lists page after page, one request each, in key order; of up to `maxKeys` keys, if that is given.
   * @throws ConnectorError `bucket_missing`, `access_denied`, `source_unavailable` ...
   */
  list(options: {
    prefix: string;
    delimiter: string | undefined;
    startAfter: string | null;
    maxKeys?: number;
    signal?: AbortSignal;
  }): AsyncIterable<ListPage>;
  /**
   * Opens exactly the listed version of an object, from a byte offset on, to its end or for a length in bytes.
   * @throws ConnectorError `object_changed`, `object_missing`, `access_denied`, `source_unavailable` ...
   */
  open(
    object: SourceObject,
    options: { offset: number; length?: number; signal: AbortSignal },
  ): Promise<Readable>;
  /** Looks an object up as it is now; errors as for open. */
  head(key: string, options?: { signal?: AbortSignal }): Promise<SourceObject>;
  /**
   * Finds the worker's credentials, without using them.
   * @returns what kind they are, in words; never a part of them
   * @throws ConnectorError `no_credentials`
   */
  credentials(): Promise<string>;
  /**
   * Assumes the connector's role now, whether it is assumed already or not; does nothing where it has none.
   * @throws ConnectorError `no_external_id`, `assume_role_denied`, `no_credentials`, `sts_unavailable` ...
   */
  assumeRole(): Promise<void>;
}
