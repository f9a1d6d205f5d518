import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** The program as `npm start` runs it; a package that was built and installed has its own. */
export const CLI = fileURLToPath(new URL('../../src/cli.ts', import.meta.url));

export interface Ended {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Starts pg-s3-connector with nothing of this process's environment but what it needs to run at all. */
export function spawnCli(args: string[], env: Record<string, string> = {}, cli = CLI): ChildProcess {
  return spawn(process.execPath, [cli, ...args], {
    // Where no .env lies, and no AWS settings of whoever runs the tests.
    cwd: '/',
    env: { PATH: process.env.PATH, HOME: '/nonexistent', AWS_EC2_METADATA_DISABLED: 'true', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
}

/** Runs it to its end. */
export async function runCli(args: string[], env: Record<string, string> = {}, cli = CLI): Promise<Ended> {
  const child = spawnCli(args, env, cli);
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]!.setEncoding('utf8').on('data', (chunk: string) => {
      text[name] += chunk;
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, ...text };
}
