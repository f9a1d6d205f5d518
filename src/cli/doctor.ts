/** The command `doctor`: looks whether this machine and the database have all that a worker needs. */
import 'dotenv/config';
import { type Config, readConfig, readLogSettings } from '../config.ts';
import { locate } from '../errors.ts';
import { checkDatabase } from './doctor_database.ts';
import { checkCredentials, checkNode, checkReaders, checkSpool } from './doctor_machine.ts';
import { tryServer } from './doctor_server.ts';
import type { Finding } from './finding.ts';
import type { Options } from './options.ts';

/** Prints the result of each step. The exit status is 1 if one failed. With a bucket, it tries the S3 server instead. */
export async function doctor(options: Options): Promise<void> {
  if (Object.keys(options).length > 0) return await tryServer(options);
  const findings: Finding[] = [];
  for await (const finding of findAll()) {
    findings.push(finding);
    process.stdout.write(toText(finding));
  }
  const failed = findings.filter(({ state }) => state === 'failed').length;
  process.stdout.write(
    failed === 0
      ? '\nA worker can start: pg-s3-connector start\n'
      : `\n${failed} of ${findings.length} must be fixed before a worker can start.\n`,
  );
  process.exitCode = failed === 0 ? 0 : 1;
}

async function* findAll(): AsyncGenerator<Finding> {
  yield checkNode();
  const { config, finding } = checkSettings();
  yield finding;
  if (!config) return;
  yield* checkDatabase(config);
  yield await checkSpool(config);
  yield checkReaders(config);
  yield await checkCredentials(config);
}

function checkSettings(): { config?: Config; finding: Finding } {
  try {
    readLogSettings();
    const config = readConfig();
    const proxy = config.proxyEnv ? ', S3 through a proxy' : '';
    const message = `${config.concurrency} files at a time, ${config.allowedEndpoints.length} S3-compatible servers allowed${proxy}`;
    return { config, finding: { step: 'settings', state: 'ok', message } };
  } catch (error) {
    const { message, hint } = locate(error, '');
    return { finding: { step: 'settings', state: 'failed', message, hint } };
  }
}

function toText({ step, state, message, hint }: Finding): string {
  const line = `${state.padEnd(6)}  ${step.padEnd(11)}  ${message}\n`;
  return hint ? `${line}${' '.repeat(21)}${hint}\n` : line;
}
