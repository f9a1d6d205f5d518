/** Confines the reader process itself, before it gets its first request. */
import { chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { type Confinement, prlimit } from './confinement.ts';

/**
 * How much more memory than DuckDB's own limit a reader may take after its start, in bytes. DuckDB does not count the chunks
 * that it returns, nor the rows that we encode: a file of 118 columns, many nested, took up to 1.7 GB.
 */
const BEYOND_DUCKDB = 2.5 * (1 << 30);

export interface ConfineOptions extends Confinement {
  /** DuckDB's limit, for example `192MB`. */
  memory: string;
  /** The directory that DuckDB may write. */
  spillDirectory: string;
}

/** @throws Error if the machine refuses what it offered to the worker */
export function confine({ limitsMemory, user, memory, spillDirectory }: ConfineOptions): void {
  if (process.platform === 'linux') raiseOomScore();
  if (limitsMemory) limitMemory(Number.parseInt(memory, 10) * 1_000_000 + BEYOND_DUCKDB);
  if (user !== null) becomeUser(user, spillDirectory);
}

/** Makes Linux's OOM killer choose this process, rather than the worker or PostgreSQL. */
function raiseOomScore(): void {
  writeFileSync('/proc/self/oom_score_adj', '1000');
}

/**
 * Limits RLIMIT_DATA: the private memory that the process may write. RLIMIT_AS would not work: V8 reserves more than 10 GB of
 * addresses that it never uses. How much memory V8 has at its start differs by version, so the limit is relative to it.
 */
function limitMemory(growth: number): void {
  const [, kilobytes] = /^VmData:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))!;
  const bytes = Number(kilobytes) * 1024 + growth;
  if (!prlimit(process.pid, `--data=${bytes}`)) throw new Error('prlimit failed');
}

/** Gives up root. All code is loaded already, so the user needs no access to it. */
function becomeUser(user: number, spillDirectory: string): void {
  mkdirSync(spillDirectory, { recursive: true, mode: 0o700 });
  chownSync(spillDirectory, user, user);
  process.setgroups!([]);
  process.setgid!(user);
  process.setuid!(user);
}
