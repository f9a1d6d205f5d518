/** Starts S3 servers of others, where they are on the machine: in PATH, or in the directory S3_SERVERS_DIR. One that runs may be named in S3_CONFORMANCE_ENDPOINT. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { otherTarget, type Target } from '../bucket/target.ts';

const CREDENTIALS = { accessKeyId: 'foreignadmin', secretAccessKey: 'foreignsecret' };
/** How long a server may take to start, in milliseconds. */
const START_MS = 60_000;

interface Program {
  /** The name of the executable. */
  name: string;
  args(port: number, data: string): string[];
  env?: Record<string, string>;
}

const PROGRAMS: readonly Program[] = [
  { name: 'moto_server', args: (port) => ['-H', '127.0.0.1', '-p', String(port)] },
  {
    name: 'minio',
    args: (port, data) => ['server', '--quiet', '--address', `127.0.0.1:${port}`, data],
    env: {
      MINIO_ROOT_USER: CREDENTIALS.accessKeyId,
      MINIO_ROOT_PASSWORD: CREDENTIALS.secretAccessKey,
      MINIO_BROWSER: 'off',
    },
  },
  {
    name: 'versitygw',
    args: (port, data) => ['--port', `127.0.0.1:${port}`, 'posix', data],
    env: { ROOT_ACCESS_KEY: CREDENTIALS.accessKeyId, ROOT_SECRET_KEY: CREDENTIALS.secretAccessKey },
  },
];

export interface ForeignServer {
  name: string;
  /** Why it cannot be tried; false if it can. */
  skip: string | false;
  start(): Promise<Target>;
}

const other = otherTarget();

export const FOREIGN_SERVERS: readonly ForeignServer[] = [
  ...PROGRAMS.map((program) => ({
    name: program.name,
    skip: canRun(program) ? (false as const) : `${program.name} is neither in PATH nor in S3_SERVERS_DIR`,
    start: () => start(program),
  })),
  ...(other ? [{ name: 'other_server', skip: false as const, start: async () => other }] : []),
];

function environment(): Record<string, string> {
  const { PATH = '', S3_SERVERS_DIR = '', HOME = '' } = process.env;
  return { PATH: [S3_SERVERS_DIR, PATH].filter(Boolean).join(delimiter), HOME };
}

function canRun({ name }: Program): boolean {
  return spawnSync(name, ['--help'], { env: environment(), stdio: 'ignore' }).status === 0;
}

async function start({ name, args, env }: Program): Promise<Target> {
  const data = await mkdtemp(join(tmpdir(), `s3-connector-${name}-`));
  await mkdir(join(data, 'buckets'));
  const port = await freePort();
  const child = spawn(name, args(port, join(data, 'buckets')), {
    cwd: data,
    env: { ...environment(), ...env },
    stdio: 'ignore',
  });
  const close = async () => {
    await end(child);
    await rm(data, { recursive: true, force: true });
  };
  const endpoint = `http://127.0.0.1:${port}`;
  try {
    await answers(endpoint, child);
  } catch (error) {
    await close();
    throw error;
  }
  return { endpoint, region: 'us-east-1', credentials: CREDENTIALS, close };
}

async function answers(endpoint: string, child: ChildProcess): Promise<void> {
  for (const until = Date.now() + START_MS; Date.now() < until; ) {
    if (child.exitCode !== null) throw new Error(`it ended with status ${child.exitCode}`);
    const status = await fetch(endpoint).then(
      (answer) => answer.status,
      () => 503,
    );
    if (status < 500) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`it does not answer at ${endpoint}`);
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

async function freePort(): Promise<number> {
  const server = createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}
