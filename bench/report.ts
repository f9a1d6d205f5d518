/** What a goal asks of a figure, and what this run had; undefined: it could not be measured. */
export interface Goal {
  text: string;
  value: number | undefined;
  met: (value: number) => boolean;
  show: (value: number) => string;
}

export const seconds = (value: number) => `${value.toFixed(2)} s`;
export const times = (value: number) => `${value.toFixed(2)}x`;
export const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;

/** What could not be measured stays undefined. */
export function optional(value: number | undefined, format: (value: number) => string): string | undefined {
  return value === undefined ? undefined : format(value);
}

/** While it runs: not part of what is printed in the end. */
export function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** @param rows cells by row; undefined is what could not be measured */
export function printTable(head: string[], rows: (string | undefined)[][]): void {
  const cells = [head, head.map(() => ''), ...rows.map((row) => row.map((cell) => cell ?? '-'))];
  const widths = head.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const lines = cells.map((row, line) =>
    row.map((cell, column) => {
      if (line === 1) return column === 0 ? '-'.repeat(widths[0]!) : `${'-'.repeat(widths[column]! - 1)}:`;
      return column === 0 ? cell.padEnd(widths[0]!) : cell.padStart(widths[column]!);
    }),
  );
  for (const line of lines) console.log(`| ${line.join(' | ')} |`);
  console.log();
}

export function printGoals(goals: Goal[]): void {
  for (const { text, value, met, show } of goals) {
    const outcome =
      value === undefined ? 'not measured here' : `${show(value)}, ${met(value) ? 'met' : 'NOT MET'}`;
    console.log(`- ${text}: ${outcome}`);
  }
  console.log();
}

/** Undefined if any is. */
export function highest(values: (number | undefined)[]): number | undefined {
  return values.reduce((a, b) => (a === undefined || b === undefined ? undefined : Math.max(a, b)));
}

/** Says how much other programs disturbed what was measured. */
export function printOthers(shares: (number | undefined)[]): void {
  const most = highest(shares);
  if (most === undefined) return;
  const warning = most > 0.1 ? ', SO THE SECONDS ARE NOT TO BE TRUSTED' : '';
  console.log(`Other programs took up to ${Math.round(most * 100)} % of the machine's CPU time${warning}.\n`);
}

/** Of an even number, the upper of the two in the middle; undefined if any is. */
export function median(values: (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  if (known.length < values.length) return undefined;
  return known.sort((a, b) => a - b)[Math.floor(known.length / 2)];
}
