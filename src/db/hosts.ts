/**
 * URLs with several hosts, as libpq has them: `postgres://user@a,b:5433/db?target_session_attrs=read-write`. pg knows only one.
 * A "probe" is a short connection that finds out whether a host is up and of the wanted kind.
 */
import pg from 'pg';
import { ConnectorError, describeError } from '../errors.ts';
import { passingError } from '../sql_errors.ts';
import { hintOfRefusal } from './refusal.ts';
import { applicationName } from './session_settings.ts';

/** The longest probe, in milliseconds. */
const PROBE_MS = 5000;

export interface Host {
  host: string;
  port: number;
}

interface HostState {
  read_only: boolean;
  standby: boolean;
}

/** By target_session_attrs: why a host does not fit; null if it does. */
const KINDS: Record<string, (state: HostState) => string | null> = {
  any: () => null,
  'read-write': ({ read_only, standby }) =>
    standby ? 'it is a standby' : read_only ? 'it is read-only' : null,
  'read-only': ({ read_only }) => (read_only ? null : 'it accepts writes'),
  primary: ({ standby }) => (standby ? 'it is a standby' : null),
  standby: ({ standby }) => (standby ? null : 'it is no standby'),
};

const SEVERAL_IN_QUERY = /[?&]host(?:addr)?=([^&#]*(?:,|%2c)[^&#]*)/i;
const SEVERAL = /^(postgres(?:ql)?:\/\/(?:[^/?#]*@)?)([^/?#@]*,[^/?#@]*)(.*)$/s;

/** By URL. All sessions of a process share what they find out. */
const known = new Map<string, Hosts>();

/**
 * Returns the hosts of a URL that has several; undefined for one host.
 * @throws ConnectorError `bad_setting`
 */
export function hostsOf(databaseUrl: string): Hosts | undefined {
  const inQuery = SEVERAL_IN_QUERY.exec(databaseUrl)?.[1];
  if (inQuery !== undefined) throw listInQuery(inQuery);
  const [, start, list, rest] = SEVERAL.exec(databaseUrl) ?? [];
  if (list === undefined) return undefined;
  const hosts = known.get(databaseUrl) ?? new Hosts(list.split(',').map((host) => `${start}${host}${rest}`));
  known.set(databaseUrl, hosts);
  return hosts;
}

export class Hosts {
  readonly #urls: readonly string[];
  readonly #misfit: (state: HostState) => string | null;
  /** The host that fitted last. It is tried first, so that a host that is down delays one session only. */
  #last = 0;
  #choosing: Promise<Host> | undefined;

  /** @param urls one for each host */
  constructor(urls: readonly string[]) {
    this.#urls = urls;
    const wanted = /[?&]target_session_attrs=([^&#]*)/.exec(urls[0]!)?.[1] ?? 'read-write';
    const misfit = Object.hasOwn(KINDS, wanted) ? KINDS[wanted] : undefined;
    if (!misfit) throw badAttribute(wanted);
    this.#misfit = misfit;
  }

  /** The URL of the first host. It has all other settings of a session. */
  get firstUrl(): string {
    return this.#urls[0]!;
  }

  /**
   * Returns the first host that is up and of the wanted kind. Sessions that are opened at the same time share the probes.
   * @param withinMs how long it may take
   * @throws ConnectorError `no_connection`
   */
  choose(withinMs: number): Promise<Host> {
    this.#choosing ??= this.#choose(withinMs).finally(() => {
      this.#choosing = undefined;
    });
    return this.#choosing;
  }

  async #choose(withinMs: number): Promise<Host> {
    const ms = Math.min(PROBE_MS, withinMs / (this.#urls.length + 1));
    const order = [...this.#urls.keys()].sort((a, b) => Number(b === this.#last) - Number(a === this.#last));
    const misfits: { host: Host; error: unknown }[] = [];
    for (const index of order) {
      const client = new pg.Client({
        connectionString: this.#urls[index]!,
        application_name: applicationName('probe'),
      });
      const host = { host: client.host, port: client.port };
      try {
        const misfit = this.#misfit(await probe(client, ms));
        if (misfit === null) {
          this.#last = index;
          return host;
        }
        misfits.push({ host, error: new Misfit(misfit) });
      } catch (error) {
        misfits.push({ host, error });
      }
    }
    throw noneFits(misfits);
  }
}

/** A host that is up, but not of the wanted kind. It may become so. */
class Misfit extends Error {}

async function probe(client: pg.Client, ms: number): Promise<HostState> {
  // An error event without a listener would end the process.
  client.on('error', () => {});
  const late = () => client.connection.stream.destroy(new Error(`no answer within ${ms / 1000} s`));
  const timer = setTimeout(late, ms);
  try {
    await client.connect();
    const { rows } = await client.query<HostState>(
      `select pg_catalog.current_setting('transaction_read_only') operator(pg_catalog.=) 'on' as read_only,
        pg_catalog.pg_is_in_recovery() as standby`,
    );
    return rows[0]!;
  } finally {
    clearTimeout(timer);
    await client.end();
  }
}

function noneFits(misfits: { host: Host; error: unknown }[]): ConnectorError {
  const reasons = misfits.map(({ host: { host, port }, error }) => {
    const { code } = error as { code?: string };
    return `${host}:${port}: ${describeError(error) || code}`;
  });
  const hint = misfits.map(({ error }) => hintOfRefusal(error)).find((found) => found !== undefined);
  return new ConnectorError('no_connection', `no host of the database fits: ${reasons.join('; ')}`, {
    passing: misfits.some(({ error }) => error instanceof Misfit || passingError(error) !== undefined),
    hint:
      hint ??
      'Check the hosts in DATABASE_URL. With target_session_attrs=read-write, which is the default, one of them must accept writes.',
    cause: misfits[0]?.error,
  });
}

function listInQuery(hosts: string): ConnectorError {
  return new ConnectorError(
    'bad_setting',
    `DATABASE_URL must name several hosts before the database, not in its query; the query has host=${hosts}`,
    { hint: 'Write postgres://user:password@host1:5432,host2:5432/database.' },
  );
}

function badAttribute(wanted: string): ConnectorError {
  return new ConnectorError(
    'bad_setting',
    `target_session_attrs in DATABASE_URL must be ${Object.keys(KINDS).join(', ')}; it is ${JSON.stringify(wanted)}`,
    { hint: 'Correct it in the environment, or in .env.' },
  );
}
