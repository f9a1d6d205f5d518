/** A file of a bundle, and its fetch, which goes on if the file is imported alone. */
import { follow } from '../abortable.ts';
import type { Attempt } from '../attempt.ts';
import { at } from '../fault_points.ts';
import type { SpooledFile } from '../fetch/spooled_file.ts';
import type { Fetched } from '../fetch.ts';
import { fetchVersion } from '../import.ts';
import type { SourceObject } from '../sources/source.ts';
import type { WorkerContext } from '../task.ts';

/** How many files of a bundle are fetched side by side. */
const SIDE_BY_SIDE = 16;
/** If no fetch ends for so long, in milliseconds, the bundle does not wait for the others. */
const PATIENCE_MS = 1000;
/** After so many failed fetches, the bundle begins no more: the whole bucket may be unavailable, and each fetch is tried for seconds. */
const MOST_FAILED = 8;

/** Without a reason of its own, each abort would make an error with a stack. */
const NOT_NEEDED = new Error('the fetch is not needed any more');

/** An attempt, and the fetch of the version that was listed. */
export class BundledFile {
  readonly attempt: Attempt;
  readonly #worker: WorkerContext;
  readonly #stop = new AbortController();
  #fetching: Promise<Fetched> | undefined;

  constructor(worker: WorkerContext, attempt: Attempt) {
    this.#worker = worker;
    this.attempt = attempt;
  }

  /** The version that was listed. */
  get object(): SourceObject {
    const { key, etag, size_bytes: sizeBytes, last_modified: lastModified } = this.attempt.file;
    return { key, etag, sizeBytes, lastModified };
  }

  /** Fetches the whole object. An error comes again in `takeFetch`. */
  async fetch(): Promise<SpooledFile> {
    this.#fetching ??= this.#begin();
    const { file } = await this.#fetching;
    await at('fetch_bundled', () => file.whole(), 'source');
    return file;
  }

  /** Returns the fetch, begun or not. The caller removes what it fetches. */
  takeFetch(): Promise<Fetched> {
    const fetching = this.#fetching ?? this.#begin();
    this.#fetching = undefined;
    return fetching;
  }

  /** Stops the fetch, and deletes what it has fetched, unless somebody has taken it. */
  async remove(): Promise<void> {
    if (this.#fetching === undefined) return;
    this.#stop.abort(NOT_NEEDED);
    const fetched = await this.#fetching.catch(() => undefined);
    this.#fetching = undefined;
    await fetched?.remove();
  }

  #begin(): Promise<Fetched> {
    const { attempt } = this;
    follow(attempt.signal, this.#stop);
    return fetchVersion(this.#worker, { ...attempt, signal: this.#stop.signal }, this.object);
  }
}

/** A file of a bundle that has been fetched. */
export interface FetchedFile {
  attempt: Attempt;
  spooled: SpooledFile;
}

/** Fetches files side by side. Returns those that are there in order; files that fail or take long are left out. */
export async function fetchTogether(files: readonly BundledFile[]): Promise<FetchedFile[]> {
  const fetched = new Map<BundledFile, SpooledFile>();
  const waiting = [...files];
  const patience = Promise.withResolvers<void>();
  const timer = setTimeout(patience.resolve, PATIENCE_MS);
  let isOver = false;
  let failed = 0;
  const fetchSome = async () => {
    for (
      let file = waiting.shift();
      file !== undefined && !isOver && failed < MOST_FAILED;
      file = waiting.shift()
    ) {
      const spooled = await file.fetch().catch(() => undefined);
      if (spooled) fetched.set(file, spooled);
      else failed += 1;
      if (!isOver) timer.refresh();
    }
  };
  await Promise.race([Promise.all(Array.from({ length: SIDE_BY_SIDE }, fetchSome)), patience.promise]);
  isOver = true;
  clearTimeout(timer);
  return files.flatMap((file) => {
    const spooled = fetched.get(file);
    return spooled ? [{ attempt: file.attempt, spooled }] : [];
  });
}
