/** The configuration of the console, from the environment variables in src/settings.ts. */
import { isIP } from 'node:net';
import { requireDatabaseUrl } from '../src/config.ts';
import { ConnectorError } from '../src/errors.ts';
import { CONSOLE_SETTINGS, readSettings } from '../src/settings.ts';

export interface ConsoleConfig {
  /** The privileges of its role decide what pages can show and do. */
  databaseUrl: string;
  /** Address to listen on. */
  host: string;
  /** 0: any free port. */
  port: number;
  /** The token that people sign in with. Undefined: no sign-in, which only a loopback address allows. */
  token: string | undefined;
}

const TOKEN_MIN_LENGTH = 16;

/** Reads the configuration. @throws ConnectorError `no_database_url`, `bad_setting` */
export function readConsoleConfig(env: NodeJS.ProcessEnv = process.env): ConsoleConfig {
  const given = readSettings(CONSOLE_SETTINGS, env);
  const config = {
    databaseUrl: given.CONSOLE_DATABASE_URL ?? requireDatabaseUrl(env),
    host: given.CONSOLE_HOST,
    port: given.CONSOLE_PORT,
    token: given.CONSOLE_TOKEN ?? undefined,
  };
  requireTokenOrLoopback(config);
  return config;
}

/** Refuses an address that other machines can reach without a token. @throws ConnectorError `bad_setting` */
export function requireTokenOrLoopback({ host, token }: Pick<ConsoleConfig, 'host' | 'token'>): void {
  if (token !== undefined && token.length < TOKEN_MIN_LENGTH) {
    throw new ConnectorError(
      'bad_setting',
      `CONSOLE_TOKEN must be at least ${TOKEN_MIN_LENGTH} characters long; it has ${token.length}`,
      { hint: 'Generate a token with: openssl rand -hex 32.' },
    );
  }
  if (token === undefined && !isLoopback(host)) {
    throw new ConnectorError(
      'bad_setting',
      `CONSOLE_HOST is ${host}, which other machines can reach, but CONSOLE_TOKEN is not set`,
      {
        hint: 'Set CONSOLE_TOKEN to the output of: openssl rand -hex 32. Or leave CONSOLE_HOST out.',
      },
    );
  }
}

/** Returns whether an address or name can only be reached from this machine. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
