/** Decides whether a CSV part's values can be encoded, and plans how. */
import { toBinaryFields } from '../../constants.ts';
import type { CopyPlan } from '../../format.ts';
import { isEncodable, withLineField } from '../../line_field.ts';
import { kindOf, type ValueKind } from '../../pg_binary/kinds.ts';
import { type CsvDialect, copyEncoding } from '../dialect.ts';
import type { NormalizeRules } from '../normalize/rules.ts';
import type { KernelMode } from '../options.ts';
import { constantFields } from '../raw.ts';
import type { RowsStart } from '../scanner.ts';
import type { SectionPlan } from './sections.ts';

/** The properties of a part on which the plan depends. */
export interface Encodable {
  dialect: CsvDialect;
  start: RowsStart;
  timeZone: string;
  maxRowBytes: number;
  normalize: NormalizeRules | null;
  kernel: KernelMode;
}

/**
 * Returns how to encode a part; null if PostgreSQL must parse all of it, for example because the encoding is not UTF-8 or
 * a column's type has no encoder.
 */
export function planSections(plan: CopyPlan, part: Encodable): SectionPlan | null {
  const { dialect, start, timeZone, maxRowBytes, normalize, kernel } = part;
  const newline = start.newline ?? null;
  if (!plan.splittable || newline === null || newline === 'cr' || copyEncoding(dialect) !== 'UTF8')
    return null;
  const kinds: (ValueKind | null)[] = new Array(plan.width).fill(null);
  for (const { position, target } of plan.columns) {
    const kind = kindOf(target, timeZone);
    if (kind === undefined) return null;
    kinds[position] = kind;
  }
  const binary = toBinaryFields(plan.constants, timeZone);
  if (binary === null || !isEncodable(plan.line)) return null;
  const csv = constantFields(plan.constants, dialect);
  const fields = plan.line ? withLineField(binary) : binary;
  return {
    dialect,
    kinds,
    constants: fields.count > 0 ? { ...fields, csv } : null,
    hasLine: plan.line !== null,
    lineOffset: start.lineOffset ?? 0,
    newline,
    maxRowBytes,
    normalize,
    kernel,
  };
}
