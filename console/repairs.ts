/** The "repairs" of a cause: each is one block of SQL that pauses, changes, tries one file, resumes, and retries. */
import { type Cause, retryFilesOf, type UnknownColumn, unknownColumns } from './causes.ts';
import { joined, type Statement, sql } from './sql.ts';

export interface Repair {
  kind: 'map' | 'ignore' | 'skip_rows' | 'retry';
  title: string;
  /** Until the dry run of the first file. If that fails, the rest is not run. */
  change: Statement[];
  rest: Statement[];
}

/** Rows with these errors can be left out. */
const BAD_ROWS = [
  'bad_value',
  'value_out_of_range',
  'value_too_long',
  'bad_row',
  'not_null_violated',
  'check_violated',
];

/**
 * Returns the repairs of a cause, as far as the console knows them.
 * @param target the column of the table for the column of the files, chosen by a person
 */
export function repairsOf(cause: Cause, target?: string): Repair[] {
  const { name } = cause;
  const unknown = unknownColumns(cause);
  const [first] = unknown;
  const repairs: Repair[] = [];
  if (unknown.length === 1) {
    const to = target ?? first!.alike ?? first!.source;
    repairs.push(
      changing(cause, 'map', `Import ${first!.source} into the column ${to}`, mapping(name, unknown, to)),
    );
  }
  if (unknown.length > 0) {
    const names = unknown.map(({ source }) => source).join(', ');
    repairs.push(changing(cause, 'ignore', `Ignore ${names}`, mapping(name, unknown, null)));
  }
  if (BAD_ROWS.includes(cause.code)) {
    const skip = sql`update s3_connector.connectors set on_bad_row = 'skip' where name = ${name}`;
    repairs.push(changing(cause, 'skip_rows', 'Leave out bad rows, and record them in rejected_rows', skip));
  }
  const retry = { change: [dryRun(cause)], rest: [retryFilesOf(cause)] };
  return [
    ...repairs,
    { kind: 'retry', title: 'Retry these files, after you have corrected the cause', ...retry },
  ];
}

function changing(cause: Cause, kind: Repair['kind'], title: string, change: Statement): Repair {
  const { name, state } = cause;
  const isRunning = state === 'running';
  return {
    kind,
    title,
    change: [...(isRunning ? [sql`select s3_connector.pause(${name})`] : []), change, dryRun(cause)],
    rest: [...(isRunning ? [sql`select s3_connector.resume(${name})`] : []), retryFilesOf(cause)],
  };
}

function dryRun({ name, first_key }: Cause): Statement {
  return sql`call s3_connector.dry_run_file(${name}, ${first_key})`;
}

function mapping(name: string, columns: UnknownColumn[], target: string | null): Statement {
  const rows = columns.map(({ source }) => sql`(${name}, ${source}, ${target})`);
  return sql`insert into s3_connector.column_mappings (connector_name, source_column, target_column)
values ${joined(rows, ', ')}
on conflict (connector_name, source_column) do update set target_column = excluded.target_column`;
}
