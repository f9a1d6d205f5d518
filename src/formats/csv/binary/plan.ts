import type { TableColumn } from '../../../target/table.ts';
import type { CopyPlan } from '../../format.ts';
import { type CsvDialect, copyEncoding } from '../dialect.ts';
import type { RowsStart } from '../scanner.ts';
import { kindOf, putterOf, type ValueKind } from './kinds.ts';
import type { SectionPlan } from './sections.ts';
import { UNSURE, VALUE_ROOM } from './values.ts';

/** What of a part decides whether its values can be encoded. */
export interface Encodable {
  dialect: CsvDialect;
  columnCount: number;
  start: RowsStart;
  timeZone: string;
  maxRowBytes: number;
}

/** How to encode a part; null where PostgreSQL must parse all of it: a column of a type that is not known, another encoding. */
export function planSections(plan: CopyPlan, part: Encodable): SectionPlan | null {
  const { dialect, start, timeZone, maxRowBytes } = part;
  const newline = start.newline ?? null;
  if (!plan.splittable || newline === null || newline === 'cr' || copyEncoding(dialect) !== 'UTF8')
    return null;
  const kinds: (ValueKind | null)[] = new Array(part.columnCount).fill(null);
  for (const { position, target } of plan.columns) {
    const kind = kindOf(target, timeZone);
    if (kind === undefined) return null;
    kinds[position] = kind;
  }
  const constant = plan.constant && encodeConstant(plan.constant, timeZone);
  if (constant === undefined) return null;
  return { dialect, kinds, constant, lineOffset: start.lineOffset ?? 0, newline, maxRowBytes };
}

function encodeConstant(
  { target, value }: { target: TableColumn; value: string },
  timeZone: string,
): SectionPlan['constant'] | undefined {
  const kind = kindOf(target, timeZone);
  if (kind === undefined) return undefined;
  const csv = Buffer.from(value);
  const binary = new Uint8Array(csv.length + VALUE_ROOM);
  const end = putterOf(kind)(csv, 0, csv.length, binary, 0);
  return end === UNSURE ? undefined : { csv, binary: binary.subarray(0, end) };
}
