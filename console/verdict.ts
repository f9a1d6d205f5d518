/** The "verdict" on what a person ran: whether the answer is good, in one sentence. A call that returns may bring bad news. */
import { WOULD_FAIL } from '../src/requests/preview.ts';
import { count, counted } from './format.ts';
import type { Outcome, Verdict } from './outcome.ts';
import { type Statement, sql } from './sql.ts';

type Read = <T extends object>(statement: Statement) => Promise<T[]>;

const ASKED = /^call s3_connector\.(check|preview|dry_run_file)\(/;

/** Returns the verdict on statements that ran. The last call of a worker decides. */
export async function judge(
  read: Read,
  statements: readonly Statement[],
  outcome: Outcome,
): Promise<Verdict> {
  if (outcome.error) return { level: 'bad', sentence: outcome.error.message };
  const call = statements.findLast(({ text }) => ASKED.test(text));
  const name = String(call?.values[0] ?? '');
  switch (call && ASKED.exec(call.text)![1]) {
    case 'check':
      return judgeCheck(read, name);
    case 'preview':
      return judgePreview(read, name, outcome);
    case 'dry_run_file':
      return judgeDryRun(outcome.rows);
    default:
      return { level: 'good', sentence: '' };
  }
}

/** Returns the verdict on the last check of a connector. */
export async function judgeCheck(read: Read, name: string): Promise<Verdict> {
  const steps = await read<{ step: string; ok: boolean; message: string; hint: string | null }>(sql`
    select step, ok, message, hint from s3_connector.checks where connector_name = ${name} order by position`);
  const failed = steps.filter(({ ok }) => !ok);
  if (failed.length > 0) {
    return {
      level: 'bad',
      sentence: `${failed.length} of ${steps.length} checks failed: ${failed[0]!.message}`,
    };
  }
  const hinted = steps.filter(({ hint }) => hint !== null);
  if (hinted.length === 0) return { level: 'good', sentence: `all ${steps.length} checks passed` };
  return {
    level: 'warn',
    sentence: `all ${steps.length} checks passed, but look at ${hinted[0]!.step}: ${hinted[0]!.message}`,
  };
}

async function judgePreview(read: Read, name: string, { notices }: Outcome): Promise<Verdict> {
  const failure = notices.find(({ message }) => message.startsWith(WOULD_FAIL));
  if (failure) return { level: 'bad', sentence: failure.message };
  const [row] = await read<{ files: string; is_all: boolean }>(sql`
    select count(*) as files, count(*) < 1000 as is_all from s3_connector.preview_files where connector_name = ${name}`);
  const { files, is_all } = row!;
  if (files === '0') return { level: 'warn', sentence: 'no file matches the pattern' };
  const matching = `${is_all ? '' : 'at least '}${counted(files, 'file')} ${files === '1' ? 'matches' : 'match'}`;
  return { level: 'good', sentence: matching };
}

interface DryRunRow {
  rows_imported?: string;
  rows_rejected?: string;
  rows_skipped?: string;
  error_code?: string | null;
  error_message?: string | null;
}

function judgeDryRun(rows: readonly object[]): Verdict {
  const row = rows.findLast((candidate): candidate is DryRunRow => 'error_code' in candidate) ?? {};
  if (row.error_code) {
    return { level: 'bad', sentence: `an import would fail: ${row.error_message} (${row.error_code})` };
  }
  const rejected = row.rows_rejected ?? '0';
  const skipped = row.rows_skipped ?? '0';
  const sentence = [
    `an import would add ${counted(row.rows_imported ?? '0', 'row')}`,
    `${count(rejected)} rejected`,
    ...(skipped === '0' ? [] : [`${count(skipped)} skipped`]),
  ].join(', ');
  return { level: rejected === '0' ? 'good' : 'warn', sentence };
}
