/** Writes the bounds of times as text that PostgreSQL reads. */
import type { TimeUnit } from './row_order.ts';
import type { Times } from './run.ts';

const EPOCH_MS = Date.UTC(2000, 0, 1);
const MS_A_DAY = 86_400_000n;
/** Times outside of these years are written as an earlier or a later one: the bounds may be too wide. */
const [FIRST_YEAR, LAST_YEAR] = ['0001-01-01T00:00:00.000', '9999-12-31T00:00:00.000'];
const [FIRST_MS, LAST_MS] = [FIRST_YEAR, LAST_YEAR].map((year) => BigInt(Date.parse(`${year}Z`) - EPOCH_MS));

/** Returns a time that is not after the first, and one that is not before the last. */
export function textRange({ first, last }: Times, unit: TimeUnit): [string, string] {
  if (unit !== 'days' && unit !== 'microseconds') return [String(first), String(last)];
  const [from, to] = unit === 'days' ? [first * MS_A_DAY, last * MS_A_DAY] : [down(first), down(last) + 1n];
  return [
    from < FIRST_MS! ? '-infinity' : from > LAST_MS! ? LAST_YEAR : iso(from),
    to > LAST_MS! ? 'infinity' : to < FIRST_MS! ? FIRST_YEAR : iso(to),
  ];
}

/** Returns milliseconds, rounded down. */
function down(microseconds: bigint): bigint {
  return (microseconds - (((microseconds % 1000n) + 1000n) % 1000n)) / 1000n;
}

function iso(ms: bigint): string {
  return new Date(Number(ms) + EPOCH_MS).toISOString().slice(0, -1);
}
