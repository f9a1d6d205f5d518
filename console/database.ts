/** The console's connections to the database. They have the privileges of the console's role. */
import pg from 'pg';
import { type Rights, readRights } from './rights.ts';
import { groups, type Statement, show } from './sql.ts';

/** The result of statements that a person ran. */
export interface Outcome {
  /** The statements, as a person would type them. */
  shown: string;
  /** The returned rows, one line each. */
  results: string[];
  notices: { message: string; hint: string | undefined }[];
  error?: SqlError;
}

/** An error of PostgreSQL. */
export interface SqlError {
  /** SQLSTATE. */
  code: string;
  message: string;
  detail: string | undefined;
  hint: string | undefined;
}

export interface ConsoleDatabase {
  /** Runs one query for a page. @throws pg.DatabaseError */
  rows<T extends object>(statement: Statement): Promise<T[]>;
  /** Runs statements for a person. An error of PostgreSQL is part of the outcome; other errors are thrown. */
  run(statements: readonly Statement[]): Promise<Outcome>;
  /** Returns what the console's role may do now. @throws pg.DatabaseError */
  rights(): Promise<Rights>;
  close(): Promise<void>;
}

const READ_TIMEOUT_MS = 30_000;
/** SQLSTATE of deadlock_detected. */
const DEADLOCK = '40P01';
/** Long, because a worker may take minutes: audit lists a whole bucket. */
const RUN_TIMEOUT_MS = 15 * 60_000;

/** Returns the database. It connects when it is first used. */
export function openConsoleDatabase(databaseUrl: string): ConsoleDatabase {
  const options = { connectionString: databaseUrl, application_name: 's3_connector console' };
  const pool = new pg.Pool({ ...options, max: 6, statement_timeout: READ_TIMEOUT_MS });
  // The next query replaces an idle connection that breaks.
  pool.on('error', () => {});

  return {
    rights: () => readRights((statement) => read(pool, statement)),
    async rows<T extends object>(statement: Statement) {
      try {
        return await read<T>(pool, statement);
      } catch (error) {
        // A starting worker replaces the views, and readers may deadlock with it.
        if ((error as { code?: string }).code === DEADLOCK) return await read<T>(pool, statement);
        throw error;
      }
    },
    async run(statements) {
      const client = new pg.Client({ ...options, statement_timeout: RUN_TIMEOUT_MS });
      client.on('error', () => {});
      await client.connect();
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
  const outcome: Outcome = { shown: show(statements), results: [], notices: [] };
  client.on('notice', ({ message, hint }) => outcome.notices.push({ message: message ?? '', hint }));
  try {
    for (const group of groups(statements)) await runGroup(client, group, outcome);
  } catch (error) {
    outcome.error = await toSqlError(client, error);
  }
  return outcome;
}

async function runGroup(client: pg.Client, group: Statement[], outcome: Outcome): Promise<void> {
  if (group.length > 1) await client.query('begin');
  try {
    for (const { text, values } of group) {
      const { rows } = await client.query<Record<string, unknown>>(text, [...values]);
      outcome.results.push(...rows.flatMap(describeRow));
    }
    if (group.length > 1) await client.query('commit');
  } catch (error) {
    if (group.length > 1) await client.query('rollback').catch(() => {});
    throw error;
  }
}

function describeRow(row: Record<string, unknown>): string[] {
  const values = Object.entries(row).filter(([, value]) => value !== null && value !== '');
  return values.length === 0 ? [] : [values.map(([name, value]) => `${name}: ${value}`).join(', ')];
}

/** Converts an error of PostgreSQL, and throws any other error. */
async function toSqlError(client: pg.Client, error: unknown): Promise<SqlError> {
  if (!(error instanceof pg.DatabaseError)) throw error;
  const code = error.code ?? 'XX000';
  const hint = error.hint || (code === '42501' ? await grantHint(client) : undefined);
  return { code, message: error.message, detail: error.detail, hint };
}

/** Returns the grants that the role lacks: the error of PostgreSQL does not name them. */
async function grantHint(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ role: string }>('select quote_ident(current_user) as role');
  const role = rows[0]!.role;
  return `Ask an administrator of the database to run one of these. For actions: grant s3_connector_operator to ${role}; for actions and configuration: grant s3_connector_admin to ${role};`;
}
