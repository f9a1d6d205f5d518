/** Plans of sections for tests, as planSections makes them for a file without constants. */
import type { SectionPlan } from '../../src/formats/csv/binary/sections.ts';
import type { CsvDialect } from '../../src/formats/csv/dialect.ts';
import type { KernelMode } from '../../src/formats/csv/options.ts';

export const MAX_ROW_BYTES = 2 << 20;

export function planOf(
  dialect: CsvDialect,
  kinds: SectionPlan['kinds'],
  kernel: KernelMode,
  more: Partial<SectionPlan> = {},
): SectionPlan {
  return {
    dialect,
    kinds,
    hasLine: false,
    constants: null,
    lineOffset: 0,
    newline: 'lf',
    maxRowBytes: MAX_ROW_BYTES,
    normalize: null,
    kernel,
    ...more,
  };
}
