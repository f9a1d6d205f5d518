/** Refuses target tables of a kind that takes no files. */
import { ConnectorError } from '../errors.ts';

/** A row of s3_connector_import.refuse_target, which decides. */
export interface Refusal {
  code: string;
  message: string;
  hint: string;
}

/** Throws a refusal as an error; null: the target can be filled, or does not exist. */
export function refuseTarget(refusal: Refusal | null): void {
  if (refusal === null) return;
  const { code, message, hint } = refusal;
  throw new ConnectorError(code, message, { hint });
}
