/** The type of one "attempt": one try at importing one file. */
import type { DryRun } from './copy/job.ts';
import type { ColumnMapping, Connector, File } from './db/schema.ts';

export interface Attempt {
  file: File;
  connector: Connector;
  mappings: ColumnMapping[];
  /** Aborted when the attempt must stop: the file was taken away from it, or the worker stops. */
  signal: AbortSignal;
  /** If given, the import is rolled back at the end, and the rows that it refused are put here. */
  dryRun?: DryRun | undefined;
}
