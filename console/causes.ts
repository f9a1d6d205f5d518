/** The "causes" of failures: failed files of a connector, grouped by what can repair them together. */
import type { ConsoleDatabase } from './database.ts';
import { link } from './html.ts';
import { type Statement, sql } from './sql.ts';

export interface Cause {
  name: string;
  code: string;
  /** The part of the message that decides what repairs the files: for unknown_column, its columns. Null: the code decides. */
  detail: string | null;
  /** How many of the last failures it has. */
  files: string;
  first_key: string;
  /** The message of the first file. */
  message: string;
  state: string;
  target_table: string;
}

/** So many of the last failures are grouped. */
export const GROUPED = 5000;

/** What messages of unknown_column have around the columns, for CSV and Parquet and for JSON; the hint comes last. */
const AROUND_COLUMNS =
  '^.*(: the file has |lacks: |the record has the key )|(, for which the table has no column)?[.] (The table has |Add (the )?column).*$';

/** Returns the causes, that of most files first. */
export function findCauses(db: ConsoleDatabase, name: string, most = GROUPED): Promise<Cause[]> {
  return readCauses(db, [name], GROUPED, most);
}

/** So many of the last failures decide the main cause. */
const LAST = 100;

/** Returns for each connector the cause of most of its last failures. */
export async function mainCauses(db: ConsoleDatabase, names: string[]): Promise<Map<string, Cause>> {
  const causes = await readCauses(db, names, LAST, 1);
  return new Map(causes.map((cause) => [cause.name, cause]));
}

function readCauses(db: ConsoleDatabase, names: string[], grouped: number, most: number): Promise<Cause[]> {
  return db.rows<Cause>(sql`
    select * from (
      select c.name, f.error_code as code, f.detail, count(*) as files, min(f.key) as first_key,
        (array_agg(f.error_message order by f.key))[1] as message, c.state, c.target_table,
        row_number() over (partition by c.name order by count(*) desc, f.error_code, f.detail) as place
      from s3_connector.connectors c
      cross join lateral (
        select key, error_code, error_message, case error_code when 'unknown_column' then regexp_replace(error_message, ${AROUND_COLUMNS}, '', 'g') end as detail
        from s3_connector.files
        where connector_name = c.name and status = 'failure' and error_code is not null
        order by finished_at desc nulls last limit ${grouped}
      ) f
      where c.name = any (${names})
      group by c.name, c.state, c.target_table, f.error_code, f.detail
    ) causes
    where place <= ${most} order by name, place`);
}

/** Returns the address of the page that repairs a cause. */
export function repairAddress({ name, code, detail }: Cause): string {
  return link('/repair', { name, code, detail: detail ?? undefined });
}

/** Returns the statement that retries all files of a cause. */
export function retryFilesOf({ name, code, detail }: Cause): Statement {
  const ofDetail = detail === null ? sql`` : sql` and strpos(error_message, ${detail}) > 0`;
  return sql`select s3_connector.retry_files(${name}, array(
  select key from s3_connector.files where connector_name = ${name} and status = 'failure' and error_code = ${code}${ofDetail}))`;
}

/** A column of files that the table lacks, and the column of the table that it may be. */
export interface UnknownColumn {
  source: string;
  alike: string | undefined;
}

/** Reads the columns from the detail of unknown_column. Empty: there are none, or not all can be read. */
export function unknownColumns({ code, detail }: Pick<Cause, 'code' | 'detail'>): UnknownColumn[] {
  const list = code === 'unknown_column' ? detail : null;
  if (list === null || list.includes('\\u{')) return [];
  const item = /"([^"]*)"(?: \(as "[^"]*"\)| \([^"]*the table has "([^"]*)"\))?(?:, |$)/gy;
  const found: UnknownColumn[] = [];
  let end = 0;
  for (const match of list.matchAll(item)) {
    found.push({ source: match[1]!, alike: match[2] });
    end = match.index + match[0].length;
  }
  return end === list.length ? found : [];
}
