import type pg from 'pg';
import { SessionPool } from '../db/connections.ts';
import { untilAnswered } from '../db/until_answered.ts';
import { isSafeToRepeat, keepApart, narrow, type Priorities, takesJob } from './queue.ts';

/** A prepared query, as graphile-worker asks them. */
type Ask = (query: pg.QueryConfig) => Promise<pg.QueryResult>;

/**
 * The connections of graphile-worker, which looks after a broken one only in part: when the end of a job cannot be
 * written, or the ids of its tasks cannot be read, it gives up its whole pool. So whatever it asks for waits until the
 * database is back, and what is safe to repeat is sent again.
 */
export class QueuePool extends SessionPool {
  readonly #stopping: AbortSignal;
  readonly #priorities = new Map<unknown, Priorities>();

  /**
   * @param stopping aborted when the worker stops: from then on trouble is no longer waited out
   * @param onLostJob told when a job was asked for and no answer came, so that one may be locked and not known here
   */
  constructor(databaseUrl: string, max: number, stopping: AbortSignal, onLostJob: () => void) {
    super(databaseUrl, 'queue', { max });
    this.#stopping = stopping;
    this.on('connect', (client) => {
      keepApart(client);
      this.#watch(client, onLostJob);
    });
  }

  /** Has a queue of this process, by the name under which it locks jobs, look for jobs of these priorities only. */
  narrow(poolId: string, priorities: Priorities): void {
    this.#priorities.set(poolId, priorities);
  }

  override connect(): Promise<pg.PoolClient>;
  override connect(callback: Parameters<pg.Pool['connect']>[0]): void;
  override connect(callback?: Parameters<pg.Pool['connect']>[0]): unknown {
    // Only who LISTENs asks in this form, and it tries again by itself.
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
    const priorities = this.#priorities.get(query.values?.[0]);
    const answer = ask(priorities ? narrow(query, priorities) : query);
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
