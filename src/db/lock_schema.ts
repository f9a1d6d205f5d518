/**
 * Locks all our tables and views before they are changed, so that no session that reads them can end in a deadlock: a session
 * that holds one view and needs another would wait for us, while we wait for it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { type Kysely, sql, type Transaction } from 'kysely';
import pg from 'pg';
import { log } from '../log.ts';
import type { Database } from './schema.ts';

/** How long to wait for the first relation, in milliseconds. */
const WAIT_MS = 500;
/** How long to wait while others are held: far below PostgreSQL's deadlock_timeout of a second, after which it picks a victim. */
const HOLD_AND_WAIT_MS = 10;
/** The interval at which the log names the sessions that use a relation, in milliseconds. */
const REPORT_MS = 5000;
const LOCK_NOT_AVAILABLE = '55P03';

/** A table or view that another session uses. */
class Busy extends Error {
  readonly relation: string;
  constructor(relation: string) {
    super(`${relation} is in use`);
    this.relation = relation;
  }
}

/**
 * Runs a change in a transaction that has locked all our relations. If one is in use, it releases all locks, and waits for
 * that relation first in the next try.
 */
export async function withSchemaLocked<T>(
  db: Kysely<Database>,
  change: (transaction: Transaction<Database>) => Promise<T>,
): Promise<T> {
  let busy: string | undefined;
  let reportAt = Date.now() + REPORT_MS;
  for (;;) {
    try {
      return await db.transaction().execute(async (transaction) => {
        await lockAll(transaction, busy);
        return await change(transaction);
      });
    } catch (error) {
      if (!(error instanceof Busy)) throw error;
      busy = error.relation;
    }
    if (Date.now() > reportAt) {
      reportAt = Date.now() + REPORT_MS;
      log.warn('migrating waits for sessions', { relation: busy, pids: await sessionsOn(db, busy) });
    }
    await delay(Math.random() * WAIT_MS);
  }
}

interface Relation {
  name: string;
  /** The statement that locks it. */
  lock: string;
}

async function lockAll(transaction: Transaction<Database>, busy: string | undefined): Promise<void> {
  // `lock table` of a view also locks the tables below it, and PostgreSQL's own catalogs. Setting its owner to the same owner
  // locks only the view.
  const { rows } = await sql<Relation>`
    select r.name, case c.relkind
        when 'v' then format('alter view %s owner to %I', r.name, pg_get_userbyid(c.relowner))
        else format('lock table %s in access exclusive mode', r.name)
      end as lock
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    cross join lateral format('%I.%I', n.nspname, c.relname) as r (name)
    where n.nspname in ('s3_connector', 's3_connector_private') and c.relkind in ('r', 'v')
    order by r.name = ${busy ?? ''} desc, c.oid`.execute(transaction);
  await waitAtMost(transaction, WAIT_MS);
  for (const [i, { name, lock }] of rows.entries()) {
    await sql
      .raw(lock)
      .execute(transaction)
      .catch((error) => {
        const isBusy = error instanceof pg.DatabaseError && error.code === LOCK_NOT_AVAILABLE;
        throw isBusy ? new Busy(name) : error;
      });
    if (i === 0) await waitAtMost(transaction, HOLD_AND_WAIT_MS);
  }
  await waitAtMost(transaction, 0);
}

async function waitAtMost(transaction: Transaction<Database>, ms: number): Promise<void> {
  await sql`select set_config('lock_timeout', ${String(ms)}, true)`.execute(transaction);
}

async function sessionsOn(db: Kysely<Database>, relation: string): Promise<number[]> {
  const { rows } = await sql<{ pid: number }>`
    select distinct pid from pg_locks where relation = ${relation}::regclass and granted`.execute(db);
  return rows.map(({ pid }) => pid);
}
