/** What the ways of copying share: the "part copy", which is one part on its way into the table. */
import type pg from 'pg';
import type { Attempt } from '../attempt.ts';
import type { ConnectorError } from '../errors.ts';
import type { CopyPlan, FilePart } from '../formats/format.ts';
import type { RowCounts } from '../reconcile.ts';
import type { TargetTable } from '../table/table.ts';
import type { Destination } from './destination.ts';

/** An attempt at one part, on a connection that is in the import's transaction. */
export interface PartCopy extends Attempt {
  client: pg.ClientBase;
  table: TargetTable;
  part: FilePart;
  plan: CopyPlan;
  /** Refused rows of the file's earlier parts. */
  rejectedBefore: number;
  /** Called if a column's type has refused a value. It may throw an error, which ends the copy. */
  onMismatch?: ((error: ConnectorError) => Promise<void>) | undefined;
}

/** Where COPYs run, with whose rights, and what aborts them. */
export type CopyContext = Pick<PartCopy, 'client' | 'connector' | 'signal'>;

/**
 * Copies all rows of the part into the target table or a staging table. If it fails, its caller may roll it back and call
 * another way, or the same one again.
 */
export type CopyRows = (copy: PartCopy, destination: Destination) => Promise<RowCounts>;
