/** What the ways of copying share: the part, its table and its connection. */
import type pg from 'pg';
import type { Connector, File } from '../db/schema.ts';
import type { CopyPlan, FilePart } from '../formats/format.ts';
import type { TargetTable } from '../table/table.ts';

/** One part to copy, on a connection that is in the import's transaction. */
export interface CopyJob {
  client: pg.ClientBase;
  file: File;
  connector: Connector;
  table: TargetTable;
  part: FilePart;
  plan: CopyPlan;
  signal: AbortSignal;
  /** Refused rows of the file's earlier parts. */
  rejectedBefore: number;
  dryRun?: DryRun | undefined;
}

/** What a dry run keeps of an import that is rolled back. */
export interface DryRun {
  /** The first refused rows, as `line 3, column n: reason`. */
  refusals: string[];
}
