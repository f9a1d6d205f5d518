/** Judges what a finder has found: a record for the table, or why it is none. */
import { isUtf8 } from 'node:buffer';
import type { ConnectorError } from '../../errors.ts';
import { badRecord, lateKey, type Place, unknownKey } from './errors.ts';
import { BAD_RECORD, type Found, RECORD } from './finder.ts';
import type { JsonPlan } from './plan.ts';
import type { RecordWindow } from './windows.ts';

/** Returns the error of a record that cannot become a row; null: PostgreSQL decides. */
export function problemOf(
  { finder, isText }: RecordWindow,
  found: Found,
  unit: Place['unit'],
): ConnectorError | null {
  if (found === RECORD && isText) return null;
  const place = { unit, line: finder.place };
  if (found === BAD_RECORD) {
    const { code, reason } = finder.problem!;
    return badRecord(
      place,
      code,
      code === 'invalid_json' ? `the record is not valid JSON: ${reason}` : reason,
    );
  }
  const record = finder.reader.bytes.subarray(finder.start, finder.end);
  return isUtf8(record) ? null : badRecord(place, 'invalid_encoding', 'the record is not valid UTF-8');
}

/**
 * Fails the file if the record has a key for which the plan has no place.
 * @throws ConnectorError `unknown_column`, `read_too_early`
 */
export function checkKeys({ finder }: RecordWindow, { has, grows, unit }: JsonPlan): void {
  const { unknownKey: key, isLate } = finder.reader;
  if (key === null) return;
  if (isLate || (grows && has !== null)) throw lateKey({ unit, line: finder.place }, key);
  if (has !== null) throw unknownKey({ unit, line: finder.place }, key, has);
}
