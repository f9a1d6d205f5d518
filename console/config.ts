/** The configuration of the console, as the environment variables in src/settings.ts give it. */
import { isIP } from 'node:net';
import { requireDatabaseUrl } from '../src/config.ts';
import { ConnectorError } from '../src/errors.ts';
import { CONSOLE_SETTINGS, readSettings } from '../src/settings.ts';

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

const TOKEN_MIN_LENGTH = 16;

/** @throws ConnectorError `no_database_url`, `bad_setting` */
export function readConsoleConfig(env: NodeJS.ProcessEnv = process.env): ConsoleConfig {
  const given = readSettings(CONSOLE_SETTINGS, env);
  const config = {
    databaseUrl: given.CONSOLE_DATABASE_URL ?? requireDatabaseUrl(env),
    host: given.CONSOLE_HOST,
    port: given.CONSOLE_PORT,
    token: given.CONSOLE_TOKEN ?? undefined,
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
