/** The command line of the benchmarks. */
import { parseArgs } from 'node:util';
import type { PostgresOptions } from '../embedded/postgres/server.ts';
import { readServerOptions } from '../test/support/server_options.ts';

export interface Options {
  /** The size of generated data. Goals apply to the default. */
  rows: number;
  /** How often each loader runs. Medians are printed. */
  rounds: number;
}

/** The options of all servers. TEST_POSTGRES_BIN_DIR and TEST_POSTGRES_VERSION select the PostgreSQL, as for the tests. */
export const serverOptions: PostgresOptions = readServerOptions();

/** Returns the names of the benchmarks to run (empty: all), and the options. */
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
