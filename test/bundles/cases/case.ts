/** A "case": a table, a connector, and files for it. */

/** What one connector imports. `$S` stands for the schema. */
export interface Case {
  /** Statements that make the table `$S.t_<name>`, unless `columns` is enough. */
  ddl?: string;
  /** Statements that run when the connector is there. */
  later?: string;
  /** Of the table: the default is `file integer, n integer, value text, file_id bigint`. */
  columns?: string | null;
  connector?: Record<string, unknown>;
  format?: Record<string, unknown>;
  mappings?: Record<string, unknown>[];
  /** The keys after the connector's name, by default 000, 001 and so on. */
  keys?: string[];
  bodies: (Buffer | string)[];
}

export const COLUMNS = 'file integer, n integer, value text, file_id bigint';

export const rows = (file: number, count = 3) =>
  Array.from({ length: count }, (_, n) => `${file},${n},v${file * 10 + n}`);
export const csv = (file: number, end = '\n') => `file,n,value\n${rows(file).join('\n')}${end}`;
export const many = (count: number, bodyOf: (file: number) => Buffer | string = csv) =>
  Array.from({ length: count }, (_, file) => bodyOf(file));
/** Files of which those that are named have other bodies. */
export const but = (count: number, others: Record<number, Buffer | string>) =>
  many(count, (file) => others[file] ?? csv(file));

/** Returns a file with a row of its own, and one that other such files have as well. */
export const same = (file: number) => `file,n,value\n${file},0,own\n7,7,v${file}\n`;

export const json = (file: number, more: object = {}) =>
  [0, 1, 2].map((n) => JSON.stringify({ file, n, value: `v${n}`, ...more })).join('\n');
