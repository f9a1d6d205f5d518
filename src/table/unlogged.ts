import type { Connector } from '../db/schema.ts';
import { ConnectorError } from '../errors.ts';
import type { TargetTable } from './table.ts';

/**
 * Refuses a table that a crash of the server empties, unless the connector accepts that.
 * @throws ConnectorError `table_unlogged`
 */
export function refuseUnlogged(
  { unlogged }: TargetTable,
  connector: Pick<Connector, 'allow_unlogged'>,
): void {
  if (unlogged === null || connector.allow_unlogged) return;
  throw new ConnectorError('table_unlogged', describeUnlogged(unlogged), {
    hint: `Run alter table ${unlogged} set logged; or set allow_unlogged to true where the rows may be lost. Then retry the file.`,
  });
}

/** What to know of an unlogged table, or of an unlogged part of one. */
export function describeUnlogged(unlogged: string): string {
  return `${unlogged} is unlogged: a crash of the server empties it, while its files stay success`;
}
