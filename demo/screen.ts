/** Prints the demo: a live table of the connectors, and SQL with its results. */
import type pg from 'pg';

const STATUS = `
  select name, state, in_queue + running + pending_retry as under_way, caught_up, success, failure, rows_total, last_error
  from s3_connector.connector_status order by name`;

/** One row of the live table. */
export interface StatusRow {
  name: string;
  state: string;
  under_way: string;
  caught_up: boolean;
  success: string;
  failure: string;
  rows_total: string;
  last_error: string | null;
}

/** A live view of connector_status. A terminal is redrawn in place; other outputs get one line per change. */
export class Screen {
  readonly #client: pg.Client;
  #drawn = 0;
  #last = '';

  constructor(client: pg.Client) {
    this.#client = client;
  }

  /** Prints a text. The live table is drawn below it. */
  say(text = ''): void {
    this.#drawn = 0;
    this.#last = '';
    process.stdout.write(`${text}\n`);
  }

  /** Prints a statement and runs it. */
  async run(sql: string): Promise<pg.QueryResult> {
    this.say(sql.trim().replace(/^/gm, '  '));
    return await this.#client.query(sql);
  }

  async draw(): Promise<StatusRow[]> {
    const { rows } = await this.#client.query<StatusRow>(STATUS);
    const lines = table(rows.map(({ last_error: _, ...row }) => row));
    if (process.stdout.isTTY) this.#redraw(lines);
    else this.#print(rows);
    return rows;
  }

  #redraw(lines: string[]): void {
    if (this.#drawn > 0) process.stdout.write(`\x1b[${this.#drawn}A\x1b[J`);
    process.stdout.write(`${lines.join('\n')}\n`);
    this.#drawn = lines.length;
  }

  #print(rows: StatusRow[]): void {
    const line = rows
      .map(
        (row) =>
          `${row.name} ${row.success} ok${row.failure === '0' ? '' : `, ${row.failure} failed`}, ${row.rows_total} rows`,
      )
      .join(' | ');
    if (line !== this.#last) process.stdout.write(`  ${line}\n`);
    this.#last = line;
  }
}

/** Returns the lines of a table with aligned columns. */
export function table(rows: Record<string, unknown>[]): string[] {
  const names = Object.keys(rows[0] ?? {});
  const cells = [names, ...rows.map((row) => names.map((name) => show(row[name])))];
  const widths = names.map((_, column) => Math.max(...cells.map((row) => row[column]!.length)));
  const lines = cells.map((row) =>
    `  ${row.map((cell, column) => cell.padEnd(widths[column]!)).join('  ')}`.trimEnd(),
  );
  lines.splice(1, 0, `  ${widths.map((width) => '-'.repeat(width)).join('  ')}`);
  return lines;
}

function show(value: unknown): string {
  if (value === null || value === undefined) return '';
  return String(value);
}
