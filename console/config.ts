import { isIP } from 'node:net';
import { requireDatabaseUrl } from '../src/config.ts';
import { ConnectorError } from '../src/errors.ts';

/** What the console is told from outside: environment variables, or the file `.env`. */
export interface ConsoleConfig {
  /** The role that it logs in as decides what its pages may show and do. */
  databaseUrl: string;
  /** Address to listen on. */
  host: string;
  /** 0: any that is free. */
  port: number;
  /** What people must show to get in; undefined: nothing, which only a loopback address allows. */
  token: string | undefined;
}

const DEFAULT_PORT = 5480;
const TOKEN_MIN_LENGTH = 16;

/** @throws ConnectorError `no_database_url`, `bad_setting` */
export function readConsoleConfig(env: NodeJS.ProcessEnv = process.env): ConsoleConfig {
  const config = {
    databaseUrl: env.CONSOLE_DATABASE_URL || requireDatabaseUrl(env),
    host: env.CONSOLE_HOST || '127.0.0.1',
    port: readPort(env.CONSOLE_PORT),
    token: env.CONSOLE_TOKEN || undefined,
  };
  refuseOpenDoor(config);
  return config;
}

/** Beyond the machine itself, who cannot show a token does not get in. @throws ConnectorError `bad_setting` */
export function refuseOpenDoor({ host, token }: Pick<ConsoleConfig, 'host' | 'token'>): void {
  if (token !== undefined && token.length < TOKEN_MIN_LENGTH) {
    throw new ConnectorError(
      'bad_setting',
      `CONSOLE_TOKEN must be at least ${TOKEN_MIN_LENGTH} characters long; it has ${token.length}`,
      { hint: 'Such as the output of: openssl rand -hex 32.' },
    );
  }
  if (token === undefined && !isLoopback(host)) {
    throw new ConnectorError(
      'bad_setting',
      `CONSOLE_HOST is ${host}, which others can reach, so CONSOLE_TOKEN must be set; it is not`,
      {
        hint: 'Set CONSOLE_TOKEN, such as to the output of openssl rand -hex 32, or leave CONSOLE_HOST out.',
      },
    );
  }
}

/** Whether an address or name can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}

function readPort(text: string | undefined): number {
  if (!text) return DEFAULT_PORT;
  const port = Number(text);
  if (Number.isInteger(port) && port >= 0 && port <= 65535) return port;
  throw new ConnectorError(
    'bad_setting',
    `CONSOLE_PORT must be a whole number from 0 to 65535; it is ${JSON.stringify(text)}`,
  );
}
