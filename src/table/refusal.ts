/** Refuses target tables of a kind that takes no files. */
import type { Connector } from '../db/schema.ts';
import { ConnectorError } from '../errors.ts';

/** A row of s3_connector_import.refuse_target, which decides. */
export interface Refusal {
  code: string;
  message: string;
  hint: string;
}

/** Returns how files are written into the table, as `s3_connector_private.write_mode` does. */
export function writeMode({
  change_column,
  on_conflict,
}: Pick<Connector, 'change_column' | 'on_conflict'>): string {
  return change_column === null ? on_conflict : 'apply_changes';
}

/** Throws a refusal as an error; null: the target can be filled, or does not exist. */
export function refuseTarget(refusal: Refusal | null): void {
  if (refusal === null) return;
  const { code, message, hint } = refusal;
  throw new ConnectorError(code, message, { hint });
}
