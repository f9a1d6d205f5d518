/**
 * "Confinement": what the operating system enforces on a reader process. Here the worker finds what the machine offers;
 * confine.ts applies it within the reader.
 */
import { spawnSync } from 'node:child_process';
import { isRoot, READER_USER } from '../../fetch/spool_directory.ts';

/** How a reader process is confined. */
export interface Confinement {
  /** Whether Linux limits its memory. */
  limitsMemory: boolean;
  /** The user and group that it becomes; null if it stays the worker's. */
  user: number | null;
}

/** What is missing, for the operator. */
export interface ConfinementNotice {
  message: string;
  hint: string;
}

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const found = new Map<string, Confinement>();

/**
 * Returns how readers can be confined on this machine. The first call per directory runs two small programs.
 * @param spoolDir the directory that they read; see `makeSpoolDirectory`
 */
export function confinementOf(spoolDir: string): Confinement {
  const confinement = found.get(spoolDir) ?? {
    limitsMemory: process.platform === 'linux' && runs('prlimit', ['--data=4294967296', 'true']),
    user: isRoot() && runs('sh', ['-c', 'cd "$0"', spoolDir], READER_USER) ? READER_USER : null,
  };
  found.set(spoolDir, confinement);
  return confinement;
}

/** Returns what readers on this machine lack. */
export function confinementNotices(spoolDir: string): ConfinementNotice[] {
  const { limitsMemory, user } = confinementOf(spoolDir);
  const notices: ConfinementNotice[] = [];
  if (!limitsMemory) {
    notices.push({
      message: 'the memory of processes that read Parquet is not limited: the program prlimit is not here',
      hint: 'Install util-linux, on Linux. Elsewhere, limit the memory of the whole worker.',
    });
  }
  if (isRoot() && user === null) {
    notices.push({
      message: `the worker and its processes that read Parquet run as root: user ${READER_USER} cannot enter ${spoolDir}`,
      hint: `Run the worker as another user. Or let other users enter that directory and its parents: chmod o+x ${spoolDir}`,
    });
  }
  return notices;
}

/** Runs `prlimit` with options for one process. */
export function prlimit(pid: number, option: string): boolean {
  return runs('prlimit', ['--pid', String(pid), option]);
}

function runs(program: string, args: string[], user?: number): boolean {
  const asUser = user === undefined ? {} : { uid: user, gid: user };
  return spawnSync(program, args, { stdio: 'ignore', env: { PATH }, cwd: '/', ...asUser }).status === 0;
}
