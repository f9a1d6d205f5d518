/** Prints tables and goals in Markdown. */
/** A goal for a figure. */
export interface Goal {
  text: string;
  /** The figure of this run. Undefined: not measured. */
  value: number | undefined;
  met: (value: number) => boolean;
  show: (value: number) => string;
}

export const seconds = (value: number) => `${value.toFixed(2)} s`;
export const times = (value: number) => `${value.toFixed(2)}x`;
export const megabytes = (bytes: number) => `${Math.round(bytes / 1e6)} MB`;

/** Formats a value, unless it is undefined (not measured). */
export function optional(value: number | undefined, format: (value: number) => string): string | undefined {
  return value === undefined ? undefined : format(value);
}

/** Prints progress to stderr, so that stdout has only the results. */
export function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Prints a table. Undefined cells (not measured) become dashes. */
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

const printed: Goal[] = [];

/** Prints goals, and keeps them for `printSummary`. */
export function printGoals(goals: Goal[]): void {
  for (const goal of goals) console.log(`- ${goal.text}: ${[figure(goal), outcome(goal)].join(', ')}`);
  console.log();
  printed.push(...goals);
}

/** Prints one table of all goals that were printed. */
export function printSummary(): void {
  if (printed.length === 0) return;
  console.log('## All goals\n');
  printTable(
    ['goal', 'figure', 'outcome'],
    printed.map((goal) => [goal.text, figure(goal), outcome(goal)]),
  );
}

function figure({ value, show }: Goal): string {
  return value === undefined ? 'not measured here' : show(value);
}

function outcome({ value, met }: Goal): string {
  if (value === undefined) return '-';
  return met(value) ? 'met' : 'NOT MET';
}

/** Returns the highest value, or undefined if any value is. */
export function highest(values: (number | undefined)[]): number | undefined {
  return values.reduce((a, b) => (a === undefined || b === undefined ? undefined : Math.max(a, b)));
}

/** Prints how much CPU time other programs used, and warns if it was too much. */
export function printOthers(shares: (number | undefined)[]): void {
  const most = highest(shares);
  if (most === undefined) return;
  const warning = most > 0.1 ? ': DO NOT TRUST THE SECONDS' : '';
  console.log(`Other programs took up to ${Math.round(most * 100)} % of the machine's CPU time${warning}.\n`);
}

/** Returns the median (of an even number, the upper middle one), or undefined if any value is. */
export function median(values: (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined);
  if (known.length < values.length) return undefined;
  return known.sort((a, b) => a - b)[Math.floor(known.length / 2)];
}
