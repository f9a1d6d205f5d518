/** Starts the console as a process of its own. */
import 'dotenv/config';
import { readLogSettings } from '../src/config.ts';
import { exitWithError } from '../src/exit.ts';
import { log, setLog } from '../src/log.ts';
import { readConsoleConfig } from './config.ts';
import { startConsole } from './server.ts';

try {
  setLog(readLogSettings());
  const console = await startConsole(readConsoleConfig());
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => void console.close());
  log.info('console', { url: console.url });
} catch (error) {
  exitWithError(error);
}
