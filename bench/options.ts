import { parseArgs } from 'node:util';
import type { PostgresOptions } from '../embedded/postgres/server.ts';

/** How much is measured, and how often. */
export interface Options {
  /** Of the made data: a quick run has less; what goals say is meant for the preset. */
  rows: number;
  /** How often each way is run; what is printed are medians. */
  rounds: number;
}

/** The server of every bench: TEST_POSTGRES_BIN_DIR names an installed one, as for the tests. */
export const serverOptions: PostgresOptions = process.env.TEST_POSTGRES_BIN_DIR
  ? { binDir: process.env.TEST_POSTGRES_BIN_DIR }
  : {};

/** The benches that are asked for (none: all), and the options. */
export function readArguments(args: string[]): { names: string[]; options: Options } {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      rows: { type: 'string', default: '5000000' },
      rounds: { type: 'string', default: '3' },
    },
  });
  return {
    names: positionals,
    options: { rows: readCount('rows', values.rows), rounds: readCount('rounds', values.rounds) },
  };
}

function readCount(name: string, text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`--${name} must be a whole number above 0; it is ${JSON.stringify(text)}`);
}
