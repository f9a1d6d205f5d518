/** Remembers what was found out about buckets, so that it costs one request of the worker and not one of every request. */

/** What the worker has found out about a bucket at an endpoint. */
export interface Place {
  region?: string;
  /** The server refuses path style. */
  virtualHosted?: true;
  /** The server, or a proxy in front of it, decompresses objects on the way. */
  gunzips?: true;
}

const UNKNOWN: Place = {};

export class Places {
  readonly #places = new Map<string, Place>();

  of(settings: { endpoint: string | null; bucket: string }): Place {
    return this.#places.get(keyOf(settings)) ?? UNKNOWN;
  }

  note(settings: { endpoint: string | null; bucket: string }, found: Place): void {
    this.#places.set(keyOf(settings), { ...this.of(settings), ...found });
  }
}

function keyOf({ endpoint, bucket }: { endpoint: string | null; bucket: string }): string {
  return JSON.stringify([endpoint, bucket]);
}
