/** Finds the files of a connector, one page at a time. */
import type { FileStatus } from '../../src/db/schema.ts';
import type { ConsoleDatabase } from '../database.ts';
import { conditions, type FileFilter } from '../file_filter.ts';
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
  /** The place of the file in its order, from which the next page starts. */
  cursor: string;
  /** How long its import took, or takes so far. */
  seconds: number | null;
  undoable: boolean;
}

export type FileOrder = 'name' | 'time';

export interface FileSearch extends FileFilter {
  /** Undefined: by name. Both orders are descending. */
  order?: FileOrder | undefined;
  /** Only files after this cursor, or before it. At most one of the two is set. */
  below?: string | undefined;
  above?: string | undefined;
}

/** One page of files, in descending order. */
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
    below: isLast ? undefined : files.at(-1)?.cursor,
    above: isFirst ? undefined : files[0]?.cursor,
  };
}

/** Reads one file more than a page has, to know whether more exist. With `above`, the order is ascending. */
export function filesQuery(search: FileSearch): Statement {
  const direction = search.above === undefined ? sql`desc` : sql`asc`;
  const limit = FILES_PER_PAGE + 1;
  if (search.order !== 'time') {
    const page = joined([...conditions(search), ...afterKey(search)], ' and ');
    return sql`select ${COLUMNS}, key as cursor from s3_connector.files f where ${page} order by key ${direction} limit ${limit}`;
  }
  // The index orders each status by its time of ending. Those that have not ended are few, because max_tracked_files limits them.
  const page = joined([...conditions(search), sql`status = s.status`, ...afterTime(search)], ' and ');
  const nulls = search.above === undefined ? sql`last` : sql`first`;
  return sql`
    select found.* from unnest(enum_range(null::s3_connector.file_status)) s (status) cross join lateral (
      select ${COLUMNS}, concat(${SINCE}, ' ', key) as cursor from s3_connector.files f where ${page}
      order by finished_at ${direction} nulls ${nulls}, ${SINCE} ${direction}, key ${direction} limit ${limit}
    ) found
    order by since ${direction}, key ${direction} limit ${limit}`;
}

/** When the file entered its status, or nearly. */
const SINCE = sql`coalesce(finished_at, started_at, queued_at)`;

const COLUMNS = sql`
      key, status, size_bytes, attempts, rows_imported, rows_rejected, left(error_message, octet_length(key) + 300) as error, case status when 'success' then lineage else replaces end is not null as undoable,
      ${SINCE} as since,
      case
        when status = 'running' then extract(epoch from clock_timestamp() - started_at)
        -- They may have ended long after their import.
        when status in ('undone', 'cancelled') then (
          select h.seconds from s3_connector.file_history h
          where h.connector_name = f.connector_name and h.key = f.key and h.from_status = 'running' order by h.at desc limit 1
        )
        else extract(epoch from finished_at - started_at)
      end::double precision as seconds`;

/** A count beyond this one is not worth its time. */
export const COUNTED = 10_000;

/** Returns how many files there are; COUNTED + 1 if there are more than COUNTED. */
export async function countFiles(db: ConsoleDatabase, filter: FileFilter): Promise<number> {
  const [row] = await db.rows<{ files: string }>(sql`
    select count(*) as files from (
      select from s3_connector.files where ${joined(conditions(filter), ' and ')} limit ${COUNTED + 1}
    ) f`);
  return Number(row!.files);
}

function afterKey({ below, above }: FileSearch): Statement[] {
  return [
    ...(below === undefined ? [] : [sql`key < ${below}`]),
    ...(above === undefined ? [] : [sql`key > ${above}`]),
  ];
}

/** A cursor is a time, as PostgreSQL writes it, and a key. */
function afterTime({ below, above }: FileSearch): Statement[] {
  const place = (cursor: string) => {
    const [, time = '', key = ''] = /^(\S+ \S+) (.*)$/s.exec(cursor) ?? [];
    return sql`(${time}::timestamptz, ${key}::text collate "C")`;
  };
  return [
    ...(below === undefined ? [] : [sql`(${SINCE}, key) < ${place(below)}`]),
    ...(above === undefined ? [] : [sql`(${SINCE}, key) > ${place(above)}`]),
  ];
}
