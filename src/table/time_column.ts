/** Suggests the "time column": the column along which a hypertable is partitioned. */
import type { FileColumn } from '../formats/format.ts';

/** Better types first. */
const TIME_TYPES = [
  'timestamp with time zone',
  'timestamptz',
  'timestamp without time zone',
  'timestamp',
  'date',
];

/** Better names first; matched whole, or as the end of a longer name (`pickup_time`). */
const TIME_NAMES = ['time', 'timestamp', 'ts', 'datetime', 'date', 'created_at', 'at'];

/**
 * Returns the column with a time's type that is never null. Of several, the one with the better type, then the better name,
 * then the first.
 */
export function suggestTimeColumn(columns: FileColumn[]): FileColumn | undefined {
  const candidates = columns.filter((column) => !column.nullable && TIME_TYPES.includes(plainType(column)));
  return candidates.sort((a, b) => typeRank(a) - typeRank(b) || nameRank(a) - nameRank(b))[0];
}

function typeRank(column: FileColumn): number {
  return Math.floor(TIME_TYPES.indexOf(plainType(column)) / 2);
}

function nameRank(column: FileColumn): number {
  const name = column.name.toLowerCase();
  const rank = TIME_NAMES.findIndex((word) => name === word || name.endsWith(`_${word}`));
  return rank === -1 ? TIME_NAMES.length : rank;
}

/** Returns the type in lower case, without precision: a mapping's type is as its author wrote it. */
function plainType(column: FileColumn): string {
  const words = column.type
    .toLowerCase()
    .replace(/\(\s*\d+\s*\)/, ' ')
    .match(/\S+/g);
  return words?.join(' ') ?? '';
}
