import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';

/** Tells open pages that files changed, as soon as the database does (LISTEN). Pages do without it, too: they refresh each minute. */
export interface Live {
  /** Keeps the response open and writes a server-sent event to it after changes of that connector, or of any. */
  follow(response: ServerResponse, connector: string | undefined): void;
  close(): Promise<void>;
}

const CHANNEL = 's3_connector';
/** Changes that come closer together than this make one event. */
const GATHER_MS = 500;
/** How long to wait before the next try, of the console to listen, and of a page to follow. */
const RETRY_MS = 5_000;
/** Something must be sent now and then, or proxies take the connection for a dead one. */
const KEEP_ALIVE_MS = 25_000;

interface Follower {
  connector: string | undefined;
  response: ServerResponse;
  timer?: NodeJS.Timeout;
}

/** Begins to listen, and does so again whenever the database can be reached. */
export function startLive(databaseUrl: string): Live {
  const followers = new Set<Follower>();
  const closing = new AbortController();
  let isListening = false;
  const listening = listen(databaseUrl, closing.signal, {
    onState(value) {
      isListening = value;
      for (const { response } of followers) response.write(stateEvent(value));
    },
    onPayload: (payload) => tell(followers, connectorIn(payload)),
  });
  const keepAlive = setInterval(() => {
    for (const { response } of followers) response.write(': still here\n\n');
  }, KEEP_ALIVE_MS);
  keepAlive.unref();

  return {
    follow(response, connector) {
      const follower: Follower = { connector, response };
      followers.add(follower);
      response.once('close', () => {
        clearTimeout(follower.timer);
        followers.delete(follower);
      });
      response.write(`retry: ${RETRY_MS}\n${stateEvent(isListening)}`);
    },
    async close() {
      closing.abort();
      clearInterval(keepAlive);
      for (const { response } of followers) response.end();
      await listening;
    },
  };
}

interface Listener {
  /** Called when it begins to hear, and when it no longer does. */
  onState(isListening: boolean): void;
  onPayload(payload: string): void;
}

/** Listens until told to stop. Not by the control connections' driver, which keeps a lost session to itself. */
async function listen(databaseUrl: string, closing: AbortSignal, listener: Listener): Promise<void> {
  while (!closing.aborted) {
    // Pages say themselves that the database is not there.
    await listenOnce(databaseUrl, closing, listener).catch(() => {});
    await delay(RETRY_MS, undefined, { signal: closing }).catch(() => {});
  }
}

/** Listens for as long as the session lasts. @throws whatever ends it */
async function listenOnce(databaseUrl: string, closing: AbortSignal, listener: Listener): Promise<void> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    application_name: 's3_connector console live',
    keepAlive: true,
  });
  client.on('error', () => {});
  client.on('notification', ({ payload = '' }) => listener.onPayload(payload));
  const ended = once(client, 'end', { signal: closing });
  ended.catch(() => {});
  try {
    await client.connect();
    await client.query(`listen ${CHANNEL}`);
    listener.onState(true);
    await ended;
  } finally {
    listener.onState(false);
    await client.end().catch(() => {});
  }
}

/** Whether changes will be told, or pages must do with looking each minute. */
function stateEvent(isListening: boolean): string {
  return `event: state\ndata: ${isListening ? 'live' : 'on'}\n\n`;
}

/** The connector that a notification is about; undefined where it does not say. */
function connectorIn(payload: string): string | undefined {
  try {
    const { connector } = JSON.parse(payload) as { connector?: unknown };
    return typeof connector === 'string' ? connector : undefined;
  } catch {
    return undefined;
  }
}

function tell(followers: Set<Follower>, connector: string | undefined): void {
  for (const follower of followers) {
    if (follower.connector !== undefined && connector !== undefined && follower.connector !== connector)
      continue;
    follower.timer ??= setTimeout(() => {
      delete follower.timer;
      follower.response.write('event: change\ndata: {}\n\n');
    }, GATHER_MS);
  }
}
