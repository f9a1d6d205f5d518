/** The "preflight": the check, the preview, and a dry run of the first file, in one sentence. Start waits for a good one. */
import { WOULD_FAIL } from '../../src/requests/preview.ts';
import type { ConsoleDatabase } from '../database.ts';
import { count, counted } from '../format.ts';
import { noOutcome, type Outcome, type Verdict } from '../outcome.ts';
import { type Statement, show, sql } from '../sql.ts';
import { judgeCheck } from '../verdict.ts';
import type { Draft } from './draft.ts';
import type { StepContext } from './step.ts';

/** Returns the SQL of a preflight. Another file may be the first after the preview. */
export function preflightStatements({ draft, triedKey }: StepContext): Statement[] {
  const { name } = draft!;
  return [...asks(name), ...(triedKey === undefined ? [] : [dryRunOf(name, triedKey)])];
}

function asks(name: string): Statement[] {
  return [sql`call s3_connector.check(${name})`, sql`call s3_connector.preview(${name})`];
}

function dryRunOf(name: string, key: string): Statement {
  return sql`call s3_connector.dry_run_file(${name}, ${key})`;
}

/** Runs statements, then the preflight. It stops at the first error of PostgreSQL. */
export async function runPreflight(before: Statement[], context: StepContext): Promise<Outcome> {
  const { db, draft } = context;
  const { name } = draft!;
  const statements = [...before, ...asks(name)];
  const asked = await db.run(statements);
  if (asked.error) return asked;
  const key = await findTriedKey(db, draft!);
  const dryRun = key === undefined ? undefined : dryRunOf(name, key);
  const tried = dryRun === undefined ? noOutcome() : await db.run([dryRun]);
  const checked = await judgeCheck(db.rows, name);
  const verdict =
    checked.level === 'bad' ? checked : join(checked, judgeFile(key, tried), foreseen(asked, key));
  return {
    shown: show(dryRun ? [...statements, dryRun] : statements),
    rows: [],
    notices: tried.notices,
    ...(tried.error && { error: tried.error }),
    verdict,
    ...(verdict.level !== 'bad' && { preflight: await fingerprint(db, name) }),
  };
}

/** Returns the file that a preflight tries: the first one that is not empty, or not imported yet. Others would conflict with their own rows. */
export async function findTriedKey(db: ConsoleDatabase, { name, isNew }: Draft): Promise<string | undefined> {
  const [file] = await db.rows<{ key: string }>(
    isNew
      ? sql`
    select key from s3_connector.preview_files where connector_name = ${name} and size_bytes > 0 order by key limit 1`
      : sql`
    select key from s3_connector.files
    where connector_name = ${name} and status not in ('success', 'cancelled', 'undone') order by key limit 1`,
  );
  return file?.key;
}

/** Returns what identifies the settings that were tried. */
export async function fingerprint(db: ConsoleDatabase, name: string): Promise<string> {
  const [row] = await db.rows<{ print: string }>(sql`
    select md5((to_jsonb(c) - 'state')::text || (
      select coalesce(jsonb_agg(to_jsonb(m) order by m.id), '[]')::text
      from s3_connector.column_mappings m where m.connector_name = c.name
    )) as print
    from s3_connector.connectors c where c.name = ${name}`);
  return row?.print ?? '';
}

interface DryRunRow {
  rows_imported?: string;
  rows_rejected?: string;
  rows_skipped?: string;
  rows_updated?: string;
  rows_deleted?: string;
  error_code?: string | null;
  error_message?: string | null;
}

function judgeFile(key: string | undefined, { rows, error }: Outcome): Verdict {
  if (error) return { level: 'bad', sentence: error.message };
  if (key === undefined) {
    return { level: 'warn', sentence: 'no file waits, so none was tried: Start waits for the first one' };
  }
  const row = (rows[0] ?? {}) as DryRunRow;
  if (row.error_code)
    return { level: 'bad', sentence: `${key} would fail: ${row.error_message} (${row.error_code})` };
  const more = (['skipped', 'updated', 'deleted'] as const).flatMap((word) => {
    const rows = row[`rows_${word}`] ?? '0';
    return rows === '0' ? [] : [`${count(rows)} ${word}`];
  });
  const rejected = row.rows_rejected ?? '0';
  const counts = [counted(row.rows_imported ?? '0', 'row'), `${count(rejected)} rejected`, ...more];
  return { level: rejected === '0' ? 'good' : 'warn', sentence: `${key} would import ${counts.join(', ')}` };
}

/** A file that is not tried may still have columns that would fail. */
function foreseen({ notices }: Outcome, key: string | undefined): Verdict | undefined {
  const failure = notices.find(({ message }) => message.startsWith(WOULD_FAIL));
  return failure && key === undefined ? { level: 'bad', sentence: failure.message } : undefined;
}

const ORDER = ['good', 'warn', 'bad'] as const;

function join(...verdicts: (Verdict | undefined)[]): Verdict {
  const all = verdicts.filter((verdict) => verdict !== undefined);
  const level = ORDER[Math.max(...all.map((verdict) => ORDER.indexOf(verdict.level)))]!;
  const failed = all.filter((verdict) => verdict.level === 'bad');
  const said = failed.length > 0 ? failed : all;
  return { level, sentence: said.map(({ sentence }) => sentence).join('; ') };
}
