/** The console's connections to the database. They have the privileges of the console's role. */
import pg from 'pg';
import { openSession, SessionPool } from '../src/db/connections.ts';
import { type Health, readHealth } from './health.ts';
import { noOutcome, type Outcome, type SqlError } from './outcome.ts';
import { type Rights, readRights } from './rights.ts';
import { groups, type Statement, show } from './sql.ts';
import { judge } from './verdict.ts';

export interface ConsoleDatabase {
  /** Runs one query for a page. @throws pg.DatabaseError */
  rows<T extends object>(statement: Statement): Promise<T[]>;
  /** Runs statements for a person. An error of PostgreSQL is part of the outcome; other errors are thrown. */
  run(statements: readonly Statement[]): Promise<Outcome>;
  /** Returns what the console's role may do now. @throws pg.DatabaseError */
  rights(): Promise<Rights>;
  /** Returns how everything is. @throws pg.DatabaseError */
  health(): Promise<Health>;
  close(): Promise<void>;
}

const READ_TIMEOUT_MS = 30_000;
/** SQLSTATE of deadlock_detected. */
const DEADLOCK = '40P01';
/** Long, because a worker may take minutes: audit lists a whole bucket. */
const RUN_TIMEOUT_MS = 15 * 60_000;

/** Returns the database. It connects when it is first used. */
export function openConsoleDatabase(databaseUrl: string): ConsoleDatabase {
  const pool = new SessionPool(databaseUrl, 'console', { max: 6, statement_timeout: READ_TIMEOUT_MS });

  const rows = async <T extends object>(statement: Statement) => {
    try {
      return await read<T>(pool, statement);
    } catch (error) {
      // A starting worker replaces the views, and readers may deadlock with it.
      if ((error as { code?: string }).code === DEADLOCK) return await read<T>(pool, statement);
      throw error;
    }
  };
  return {
    rights: () => readRights((statement) => read(pool, statement)),
    health: () => readHealth(rows),
    rows,
    async run(statements) {
      const client = await openSession(databaseUrl, 'console', { statement_timeout: RUN_TIMEOUT_MS });
      try {
        return await runAll(client, statements);
      } finally {
        await client.end();
      }
    },
    close: () => pool.end(),
  };
}

async function read<T extends object>(pool: pg.Pool, { text, values }: Statement): Promise<T[]> {
  return (await pool.query<T>(text, [...values])).rows;
}

async function runAll(client: pg.Client, statements: readonly Statement[]): Promise<Outcome> {
  const outcome: Outcome = { ...noOutcome(), shown: show(statements) };
  client.on('notice', ({ message, hint }) => outcome.notices.push({ message: message ?? '', hint }));
  try {
    for (const group of groups(statements)) await runGroup(client, group, outcome);
  } catch (error) {
    outcome.error = await toSqlError(client, error);
  }
  const query = async ({ text, values }: Statement) => (await client.query(text, [...values])).rows;
  outcome.verdict = await judge(query, statements, outcome);
  return outcome;
}

async function runGroup(client: pg.Client, group: Statement[], outcome: Outcome): Promise<void> {
  if (group.length > 1) await client.query('begin');
  try {
    for (const { text, values } of group) {
      const { rows } = await client.query<Record<string, unknown>>(text, [...values]);
      outcome.rows.push(...rows);
    }
    if (group.length > 1) await client.query('commit');
  } catch (error) {
    if (group.length > 1) await client.query('rollback').catch(() => {});
    throw error;
  }
}

/** Converts an error of PostgreSQL, and throws any other error. */
async function toSqlError(client: pg.Client, error: unknown): Promise<SqlError> {
  if (!(error instanceof pg.DatabaseError)) throw error;
  const code = error.code ?? 'XX000';
  const hint = error.hint || (code === '42501' ? await grantHint(client) : undefined);
  const { message, detail, table, column } = error;
  return { code, message, detail, hint, table, column };
}

/** Returns the grants that the role lacks: the error of PostgreSQL does not name them. */
async function grantHint(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ role: string }>('select quote_ident(current_user) as role');
  const role = rows[0]!.role;
  return `Ask an administrator of the database to run one of these. For actions: grant s3_connector_operator to ${role}; for actions and configuration: grant s3_connector_admin to ${role};`;
}
