/** One "attempt": one try at importing one file. */
import type { ColumnMapping, File, ReadConnector } from './db/schema.ts';
import type { Refusal } from './formats/format.ts';
import type { SourceObject } from './sources/source.ts';

export interface Attempt {
  file: File;
  connector: ReadConnector;
  mappings: ColumnMapping[];
  /** The connector's import_timeout, in milliseconds. */
  timeoutMs: number;
  /** With it, the import's session may record what becomes of the attempt. Null in a dry run. Never log it. */
  token: string | null;
  /** Aborted when the attempt must stop: the file was taken away from it, its time is over, or the worker stops. */
  signal: AbortSignal;
  /** The version of the object that is read. */
  read?: SourceObject;
  /** If given, the import is rolled back at the end. */
  dryRun?: DryRun | undefined;
}

/** What an attempt of `dry_run_file` has. */
export interface DryRun {
  /** The request that it answers. */
  requestId: number;
  /** The first rows that the import refused, as `line 3, column n: reason`. */
  refusals: string[];
  /** Gets the refused rows themselves, if given. */
  refused?: Refusal[];
  /** The statements that change the table. */
  statements: Set<string>;
}

/** Returns the name of the session in which an attempt is made. `running_files` finds imports by it. */
export function sessionName({ file, dryRun }: Pick<Attempt, 'file' | 'dryRun'>): string {
  return `s3_connector ${dryRun ? 'dry_run_file' : 'import_file'} ${file.id}`;
}
