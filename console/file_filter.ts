/** The "file filter": files of a connector by their status and name, as conditions in SQL. */
import type { FileStatus } from '../src/db/schema.ts';
import { containing } from './parts/search.ts';
import { joined, type Statement, sql } from './sql.ts';

export interface FileFilter {
  name: string;
  status?: FileStatus | undefined;
  search?: string | undefined;
}

/** Returns the keys of the files, as an array in SQL. */
export function keysOf(filter: FileFilter): Statement {
  return sql`array(select key from s3_connector.files where ${joined(conditions(filter), ' and ')})`;
}

/** Returns the conditions, over the columns of `files`. */
export function conditions({ name, status, search }: FileFilter): Statement[] {
  return [
    sql`connector_name = ${name}`,
    ...(status === undefined ? [] : [sql`status = ${status}`]),
    ...(search === undefined ? [] : [sql`key like ${containing(search)}`]),
  ];
}
