/** Finds the files of a connector, one page at a time. */
import type { FileStatus } from '../../src/db/schema.ts';
import type { ConsoleDatabase } from '../database.ts';
import { containing } from '../parts/search.ts';
import { joined, type Statement, sql } from '../sql.ts';

export interface FileRow {
  key: string;
  status: FileStatus;
  size_bytes: string;
  attempts: number;
  rows_imported: string | null;
  rows_rejected: string | null;
  error: string | null;
  since: Date;
  seconds: number | null;
  undoable: boolean;
}

export interface FileSearch {
  name: string;
  status?: FileStatus | undefined;
  search?: string | undefined;
  /** Only keys below this one, or above. At most one of the two is set. */
  below?: string | undefined;
  above?: string | undefined;
}

/** One page of files, in descending order of keys. */
export interface FilePage {
  files: FileRow[];
  /** Where the next and the previous page start. Undefined: there is none. */
  below: string | undefined;
  above: string | undefined;
}

export const FILES_PER_PAGE = 50;

/** Returns one page. Pages are read by their keys (not by offset), so all pages cost the same. */
export async function findFiles(db: ConsoleDatabase, search: FileSearch): Promise<FilePage> {
  const backwards = search.above !== undefined;
  const found = await db.rows<FileRow>(filesQuery(search));
  const hasMore = found.length > FILES_PER_PAGE;
  const files = found.slice(0, FILES_PER_PAGE);
  if (backwards) files.reverse();
  const isFirst = backwards ? !hasMore : search.below === undefined;
  const isLast = !backwards && !hasMore;
  return {
    files,
    below: isLast ? undefined : files.at(-1)?.key,
    above: isFirst ? undefined : files[0]?.key,
  };
}

/** Reads one file more than a page has, to know whether more exist. With `above`, the order is ascending. */
export function filesQuery(search: FileSearch): Statement {
  const direction = search.above === undefined ? sql`desc` : sql`asc`;
  return sql`
    select key, status, size_bytes, attempts, rows_imported, rows_rejected, left(error_message, 200) as error, case status when 'success' then lineage else replaces end is not null as undoable,
      coalesce(finished_at, started_at, queued_at) as since,
      extract(epoch from finished_at - started_at)::double precision as seconds
    from s3_connector.files
    where ${joined(conditions(search), ' and ')}
    order by key ${direction} limit ${FILES_PER_PAGE + 1}`;
}

function conditions({ name, status, search, below, above }: FileSearch): Statement[] {
  return [
    sql`connector_name = ${name}`,
    ...(status === undefined ? [] : [sql`status = ${status}`]),
    ...(search === undefined ? [] : [sql`key like ${containing(search)}`]),
    ...(below === undefined ? [] : [sql`key < ${below}`]),
    ...(above === undefined ? [] : [sql`key > ${above}`]),
  ];
}
