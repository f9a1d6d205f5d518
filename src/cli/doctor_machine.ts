/** The steps of `doctor` that look at this machine: Node, the spool, credentials. */
import { mkdtemp, rm, statfs, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import { ConnectorError } from '../errors.ts';
import { S3Sources } from '../sources/s3.ts';
import { makeSpool } from '../worker/spool.ts';
import { type Finding, tryStep } from './finding.ts';

/** The same as `engines` in package.json. */
const OLDEST_NODE = [22, 18] as const;
/** The default of max_file_bytes. */
const FILE_BYTES = 1 << 30;

export function checkNode(): Finding {
  const [major, minor] = process.versions.node.split('.').map(Number) as [number, number];
  const old = major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1]);
  const message = `Node ${process.versions.node}`;
  if (!old) return { step: 'node', state: 'ok', message };
  return {
    step: 'node',
    state: 'failed',
    message,
    hint: `Use Node ${OLDEST_NODE.join('.')} or newer.`,
  };
}

/** Finds whether the spool can be written, and has room for as many files as are imported at a time. */
export async function checkSpool({ spoolDir, concurrency }: Config): Promise<Finding> {
  return await tryStep(
    'spool',
    async () => {
      await makeSpool(spoolDir);
      const tried = await mkdtemp(join(spoolDir, 'doctor-'));
      await writeFile(join(tried, 'file'), 'x').finally(() => rm(tried, { recursive: true }));
      const { bavail, bsize } = await statfs(spoolDir);
      const free = bavail * bsize;
      const message = `${spoolDir} can be written, ${gibibytes(free)} free`;
      if (free >= concurrency * FILE_BYTES) return { state: 'ok', message };
      return {
        state: 'note',
        message,
        hint: `${concurrency} files of up to max_file_bytes (${gibibytes(FILE_BYTES)}) may be on it at once. A file that finds no room is retried later.`,
      };
    },
    'Set SPOOL_DIR to a directory that this user can write.',
  );
}

/** Finds whether there are AWS credentials. A worker that reads only public buckets needs none. */
export async function checkCredentials(config: Config): Promise<Finding> {
  const sources = new S3Sources(config);
  try {
    const source = sources.open({
      name: 'any',
      bucket: 'any',
      region: null,
      endpoint: null,
      auth_method: 'worker',
      role_arn: null,
    });
    return { step: 'credentials', state: 'ok', message: await source.credentials() };
  } catch (error) {
    if (!(error instanceof ConnectorError)) throw error;
    return { step: 'credentials', state: 'note', message: error.message, hint: error.hint };
  } finally {
    sources.close();
  }
}

function gibibytes(bytes: number): string {
  return `${(bytes / FILE_BYTES).toFixed(1)} GiB`;
}
