/** Divides the places of a share between the owners of connectors. */
import type { WorkerEvents } from 'graphile-worker';
import type pg from 'pg';

/** The flag that each job of an owner's connector has: sql/2_lifecycle/02_queue.sql. */
const OWNER = 'owner:';

type Jobs = pg.QueryResult<{ id: string; flags: Record<string, boolean> | null }>;

/**
 * An owner may take one more place while more places are free than it has. So one owner with buckets that hang gets half of
 * the places, the next one half of the rest, and an owner without any always gets one.
 */
export class OwnerTurns {
  readonly #places: number;
  /** The owner's flag by running job. */
  readonly #running = new Map<string, string | undefined>();
  #taking: Promise<unknown> = Promise.resolve();

  constructor(places: number) {
    this.#places = places;
  }

  /** Follows which jobs end. */
  follow(events: WorkerEvents): void {
    events.on('job:complete', ({ job }) => this.#running.delete(job.id));
  }

  /**
   * Takes a job, one at a time: several idle places that ask together would give one owner too many.
   * @param ask takes a job that has none of these flags
   */
  take(ask: (flags: string[]) => Promise<pg.QueryResult>): Promise<pg.QueryResult> {
    const taken = this.#taking.then(async () => {
      const answer: Jobs = await ask(this.#full());
      for (const { id, flags } of answer.rows) this.#running.set(id, ownerOf(flags));
      return answer;
    });
    this.#taking = taken.catch(() => {});
    return taken;
  }

  /** Returns the flags of owners that may not take one more place. */
  #full(): string[] {
    const free = this.#places - this.#running.size;
    const places = new Map<string, number>();
    for (const owner of this.#running.values())
      if (owner !== undefined) places.set(owner, (places.get(owner) ?? 0) + 1);
    return [...places].filter(([, taken]) => taken >= free).map(([owner]) => owner);
  }
}

function ownerOf(flags: Record<string, boolean> | null): string | undefined {
  return Object.keys(flags ?? {}).find((flag) => flag.startsWith(OWNER));
}
