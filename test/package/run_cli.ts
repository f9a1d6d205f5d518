import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { COMPILE_CACHE } from '../support/compile_cache.ts';

/** The program as `npm start` runs it; an installed package has its own. */
export const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** What runs the program. */
export interface Runner {
  cli?: string;
  /** The binary of Node. */
  node?: string;
  /** The user, who is its own group; only root can be another one. */
  uid?: number | undefined;
}

/** Starts pg-s3-connector with only those variables of this process's environment that it needs to run. */
export function spawnCli(
  args: string[],
  env: Record<string, string> = {},
  runner: Runner = {},
): ChildProcess {
  const { cli = CLI, node = process.execPath, uid } = runner;
  return spawn(node, [cli, ...args], {
    ...(uid === undefined ? {} : { uid, gid: uid }),
    // In a folder without .env, and without the AWS settings of the person who runs the tests.
    cwd: '/',
    env: {
      PATH: process.env.PATH,
      HOME: '/nonexistent',
      AWS_EC2_METADATA_DISABLED: 'true',
      ...COMPILE_CACHE,
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Runs the program to its end. */
export async function runCli(
  args: string[],
  env: Record<string, string> = {},
  runner: Runner = {},
): Promise<Ended> {
  const child = spawnCli(args, env, runner);
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]!.setEncoding('utf8').on('data', (chunk: string) => {
      text[name] += chunk;
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...text };
}
