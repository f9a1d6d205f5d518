import pg from 'pg';
import { groups, type Statement, show } from './sql.ts';

/** What became of statements that a person had run. */
export interface Outcome {
  /** The statements, as a person would type them. */
  shown: string;
  /** Values that came back, a line each. */
  results: string[];
  notices: { message: string; hint: string | undefined }[];
  error?: SqlError;
}

/** What PostgreSQL said no with. */
export interface SqlError {
  /** SQLSTATE. */
  code: string;
  message: string;
  detail: string | undefined;
  hint: string | undefined;
}

/** The database as the role that the console logs in as may use it. */
export interface ConsoleDatabase {
  /** Runs one query for a page. @throws pg.DatabaseError */
  rows<T extends object>(statement: Statement): Promise<T[]>;
  /** Runs what a person asked for; an error of PostgreSQL's is part of the outcome, another is thrown. */
  run(statements: readonly Statement[]): Promise<Outcome>;
  /** The name of the role. */
  role(): Promise<string>;
  close(): Promise<void>;
}

/** A page that takes longer is of no use to anybody. */
const READ_TIMEOUT_MS = 30_000;
/** SQLSTATE of who was chosen to give way. */
const DEADLOCK = '40P01';
/** A worker may be long at answering: audit lists a whole bucket. */
const RUN_TIMEOUT_MS = 15 * 60_000;

/** Connects when first used. */
export function openConsoleDatabase(databaseUrl: string): ConsoleDatabase {
  const options = { connectionString: databaseUrl, application_name: 's3_connector console' };
  const pool = new pg.Pool({ ...options, max: 6, statement_timeout: READ_TIMEOUT_MS });
  // An idle connection that breaks is replaced by the next query.
  pool.on('error', () => {});

  let role: string | undefined;

  return {
    async role() {
      role ??= (await pool.query<{ role: string }>('select current_user as role')).rows[0]!.role;
      return role;
    },
    async rows<T extends object>(statement: Statement) {
      try {
        return await read<T>(pool, statement);
      } catch (error) {
        // A worker that starts applies the views anew; who reads them meanwhile may deadlock with it.
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

/** @throws what is no error of PostgreSQL's */
async function toSqlError(client: pg.Client, error: unknown): Promise<SqlError> {
  if (!(error instanceof pg.DatabaseError)) throw error;
  const code = error.code ?? 'XX000';
  const hint = error.hint || (code === '42501' ? await grantHint(client) : undefined);
  return { code, message: error.message, detail: error.detail, hint };
}

/** PostgreSQL says what is not permitted, but not how it would be. */
async function grantHint(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ role: string }>('select quote_ident(current_user) as role');
  const role = rows[0]!.role;
  return `To steer: grant s3_connector_operator to ${role}; to configure as well: grant s3_connector_admin to ${role}; which an administrator of the database can do.`;
}
