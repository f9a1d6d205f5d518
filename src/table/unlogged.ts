/** Refuses unlogged target tables. */
import type { Connector } from '../db/schema.ts';
import { ConnectorError } from '../errors.ts';
import type { TargetTable } from './table.ts';

/**
 * Refuses an unlogged table, which a crash of the server empties, unless the connector accepts that.
 * @throws ConnectorError `table_unlogged`
 */
export function refuseUnlogged(
  { unlogged }: TargetTable,
  connector: Pick<Connector, 'allow_unlogged'>,
): void {
  if (unlogged === null || connector.allow_unlogged) return;
  throw new ConnectorError('table_unlogged', describeUnlogged(unlogged), {
    hint: `Run alter table ${unlogged} set logged; or set allow_unlogged to true if the rows may be lost. Then retry the file.`,
  });
}

/** Returns the warning for an unlogged table, partition or chunk. */
export function describeUnlogged(unlogged: string): string {
  return `${unlogged} is unlogged: a crash of the server empties it, while its files stay success`;
}
