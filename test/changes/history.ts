/** Random histories of changes, the files that tell them, and the replay that says what a table must hold in the end. */
import fc from 'fast-check';

/** What a connector and its table have in common, and what differs between the tests. */
export interface Variant {
  name: string;
  /** Whether files have a sequence column, and whether the table has it too. */
  sequence: 'none' | 'file' | 'table';
  /** Whether bad rows occur, which are skipped. */
  badRows: boolean;
}

export interface Change {
  id: number | null;
  op: 'I' | 'U' | 'D' | 'X';
  seq: number | null;
  v: number;
  w: string | null;
}

/** One file's part of a history. All rows of a file have the same columns: without `w`, it is a partial file. */
export type HistoryFile = Change[];

/** The files of a history, in key order. */
export type History = HistoryFile[];

export interface Row {
  id: number;
  v: number | null;
  w: string | null;
  seq: number | null;
}

export interface Counts {
  rows_read: number;
  rows_imported: number;
  rows_rejected: number;
}

export const DEFAULT_W = 'default';

/** `v` must not be below zero: the table has a check. */
export const LOWEST = 0;

export function arbitraryHistory({ sequence, badRows }: Variant, files: number): fc.Arbitrary<History> {
  const op = badRows
    ? fc.oneof(
        { weight: 9, arbitrary: fc.constantFrom<Change['op']>('I', 'U', 'D') },
        { weight: 1, arbitrary: fc.constant<Change['op']>('X') },
      )
    : fc.constantFrom<Change['op']>('I', 'U', 'D');
  const id = badRows
    ? fc.option(fc.integer({ min: 1, max: 4 }), { freq: 15 })
    : fc.integer({ min: 1, max: 4 });
  const v = badRows
    ? fc.oneof(
        { weight: 12, arbitrary: fc.nat({ max: 99 }) },
        { weight: 1, arbitrary: fc.constant(LOWEST - 1) },
      )
    : fc.nat({ max: 99 });
  const seq =
    sequence === 'none' ? fc.constant(null) : fc.option(fc.integer({ min: 1, max: 30 }), { freq: 8 });
  const w = fc.option(fc.constantFrom('a', 'b', 'with "quotes", and commas', ''), { nil: null });
  const change = fc.record({ id, op, seq, v, w });
  const file = fc.array(change, { maxLength: 7 });
  return fc.array(file, { minLength: files, maxLength: files });
}

/** Null is before every number. */
function older(change: number | null, other: number | null): boolean {
  return other !== null && (change === null || change < other);
}

export function isBad({ id, op, v }: Change): boolean {
  return id === null || op === 'X' || (op !== 'D' && v < LOWEST);
}

/** Applies the changes of a history one by one: file after file, in a file by sequence, and in the file's order where that is equal. */
export function replay({ sequence }: Variant, history: History, isPartial: (file: number) => boolean): Row[] {
  const rows = new Map<number, Row>();
  for (const [number, file] of history.entries()) {
    const changes = file.filter((change) => !isBad(change));
    // The sort is stable.
    if (sequence !== 'none') changes.sort((a, b) => (a.seq ?? -1) - (b.seq ?? -1));
    for (const { id, op, seq, v, w } of changes) {
      const row = rows.get(id!);
      if (sequence === 'table' && row && older(seq, row.seq)) continue;
      if (op === 'D') rows.delete(id!);
      else {
        const kept = row?.w === undefined ? DEFAULT_W : row.w;
        rows.set(id!, {
          id: id!,
          v,
          w: isPartial(number) ? kept : w,
          seq: sequence === 'table' ? seq : null,
        });
      }
    }
  }
  return [...rows.values()].sort((a, b) => a.id - b.id);
}

/** Returns a CSV of the histories' parts of one file. Each history is a group `h` of its own. */
export function csvOf({ sequence }: Variant, parts: HistoryFile[], isPartial: boolean): string {
  const header = ['Op', 'h', 'id', 'v', ...(isPartial ? [] : ['w']), ...(sequence === 'none' ? [] : ['seq'])];
  const lines = parts.flatMap((part, h) =>
    part.map(({ id, op, seq, v, w }) =>
      [op, h, id, v, ...(isPartial ? [] : [w]), ...(sequence === 'none' ? [] : [seq])].map(field).join(','),
    ),
  );
  return `${[header.join(','), ...lines].join('\n')}\n`;
}

function field(value: string | number | null): string {
  return value === null ? '' : typeof value === 'number' ? String(value) : `"${value.replaceAll('"', '""')}"`;
}
