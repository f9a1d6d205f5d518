/** The connections of graphile-worker, made to survive a database that is away for a while. */
import type pg from 'pg';
import { SessionPool } from '../db/connections.ts';
import { untilAnswered } from '../db/until_answered.ts';
import type { OwnerTurns } from './owner_turns.ts';
import { isSafeToRepeat, keepApart, narrow, type Priorities, takesJob, withoutFlags } from './queue.ts';

/** Which jobs a queue takes. */
export interface Choice {
  /** Null: any. */
  priorities: Priorities | null;
  /** Null: owners do not take turns. */
  turns: OwnerTurns | null;
}

/** Sends one of graphile-worker's prepared queries. */
type Ask = (query: pg.QueryConfig) => Promise<pg.QueryResult>;

/**
 * If graphile-worker cannot write the result of a job, or look up its tasks, it ends its whole pool. So a request for a
 * connection waits here until the database is back, and these queries are retried: they are safe to repeat.
 */
export class QueuePool extends SessionPool {
  readonly #stopping: AbortSignal;
  readonly #choices = new Map<unknown, Choice>();

  /**
   * @param stopping aborted when the worker stops: then nothing is retried any more
   * @param onLostJob called when a query for a job failed: a job may be locked and not known here
   */
  constructor(databaseUrl: string, max: number, stopping: AbortSignal, onLostJob: () => void) {
    super(databaseUrl, 'queue', { max });
    this.#stopping = stopping;
    this.on('connect', (client) => {
      keepApart(client);
      this.#watch(client, onLostJob);
    });
  }

  /** Decides which jobs a queue of this process takes, by the name with which it locks jobs. */
  assign(poolId: string, choice: Choice): void {
    this.#choices.set(poolId, choice);
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(callback: Parameters<pg.Pool['connect']>[0]): void;
  override connect(callback?: Parameters<pg.Pool['connect']>[0]): unknown {
    // Only graphile-worker's LISTEN uses the callback, and it retries by itself.
    if (callback) return super.connect(callback);
    return untilAnswered(this.#stopping, () => super.connect());
  }

  #watch(client: pg.PoolClient, onLostJob: () => void): void {
    const ask = client.query.bind(client) as Ask;
    const watched: Ask = (query) => {
      if (takesJob(query.name)) return this.#take(query, ask, onLostJob);
      const answer = ask(query);
      return isSafeToRepeat(query) ? this.#untilAnswered(query, answer) : answer;
    };
    client.query = ((query: unknown, ...rest: unknown[]) =>
      rest.length === 0 && typeof query === 'object'
        ? watched(query as pg.QueryConfig)
        : (ask as (...all: unknown[]) => unknown)(query, ...rest)) as pg.PoolClient['query'];
  }

  #take(query: pg.QueryConfig, ask: Ask, onLostJob: () => void): Promise<pg.QueryResult> {
    const { priorities, turns } = this.#choices.get(query.values?.[0]) ?? { priorities: null, turns: null };
    const askFor = (chosen: pg.QueryConfig) => ask(priorities ? narrow(chosen, priorities) : chosen);
    const answer = turns ? turns.take((flags) => askFor(withoutFlags(query, flags))) : askFor(query);
    answer.catch(onLostJob);
    return answer;
  }

  async #untilAnswered(query: pg.QueryConfig, first: Promise<pg.QueryResult>): Promise<pg.QueryResult> {
    let asked: Promise<pg.QueryResult> | undefined = first;
    return await untilAnswered(this.#stopping, () => {
      const answer = asked ?? this.query(query);
      asked = undefined;
      return answer;
    });
  }
}
