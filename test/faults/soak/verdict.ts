import type { Figure, Sample } from './sample.ts';

/**
 * Prints both samples side by side.
 * @param files how many were imported in between
 * @returns the names of the figures that have grown
 */
export function compare(start: Sample, end: Sample, files: number): string[] {
  const grown: string[] = [];
  console.log(
    `${'while nothing is to be done'.padEnd(46)}${'start'.padStart(12)}${'end'.padStart(12)}${'limit'.padStart(12)}`,
  );
  for (const [name, last] of Object.entries(end)) {
    const first = start[name]?.value ?? 0;
    const limit = last.limit(first, files);
    const over = last.value > limit;
    if (over) grown.push(name);
    const columns = [first, last.value, limit].map((value) => format(value, last).padStart(12));
    console.log(`${name.padEnd(46)}${columns.join('')}${over ? '  GROWS' : ''}`);
  }
  return grown;
}

function format(value: number, { bytes }: Figure): string {
  if (!bytes) return String(Math.floor(value));
  return value < 1 << 20 ? `${Math.round(value)} B` : `${(value / (1 << 20)).toFixed(1)} MiB`;
}
