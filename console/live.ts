/**
 * Live updates: tells open pages when files change, by LISTEN and server-sent events.
 * A "follower" is a page that waits for changes. Without LISTEN, pages refresh every minute.
 */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { openSession } from '../src/db/connections.ts';
import { waitOrAbort } from '../src/waiting.ts';

export interface Live {
  /** Keeps the response open, and writes an event to it after changes of that connector. Undefined: of any. */
  follow(response: ServerResponse, connector: string | undefined): void;
  close(): Promise<void>;
}

const CHANNEL = 's3_connector';
/** Changes within this time become one event. */
const DEBOUNCE_MS = 500;
/** The pause before the console tries to LISTEN again, and before a page reconnects. */
const RETRY_MS = 5_000;
/** Proxies close connections on which nothing is sent. */
const KEEP_ALIVE_MS = 25_000;

interface Follower {
  connector: string | undefined;
  response: ServerResponse;
  timer?: NodeJS.Timeout;
}

/** Starts to listen, and reconnects after errors. */
export function startLive(databaseUrl: string): Live {
  const followers = new Set<Follower>();
  const closing = new AbortController();
  let isListening = false;
  const listening = listen(databaseUrl, closing.signal, {
    onState(value) {
      isListening = value;
      for (const { response } of followers) response.write(stateEvent(value));
    },
    onPayload: (payload) => notifyFollowers(followers, connectorIn(payload)),
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
      for (const { response, timer } of followers) {
        clearTimeout(timer);
        response.end();
      }
      // The end of the session is an event, too, which must not be written after that.
      followers.clear();
      await listening;
    },
  };
}

interface Listener {
  /** Called when listening starts and when it ends. */
  onState(isListening: boolean): void;
  onPayload(payload: string): void;
}

/** Listens until `closing`. It has its own client, because the driver of the control connections hides a lost session. */
async function listen(databaseUrl: string, closing: AbortSignal, listener: Listener): Promise<void> {
  while (!closing.aborted) {
    // Pages themselves report that the database cannot be reached.
    await listenOnce(databaseUrl, closing, listener).catch(() => {});
    await waitOrAbort(RETRY_MS, closing);
  }
}

/** Listens until the session ends. @throws the error that ended it */
async function listenOnce(databaseUrl: string, closing: AbortSignal, listener: Listener): Promise<void> {
  const client = await openSession(databaseUrl, 'console live');
  client.on('notification', ({ payload = '' }) => listener.onPayload(payload));
  const ended = once(client, 'end', { signal: closing });
  ended.catch(() => {});
  try {
    await client.query(`listen ${CHANNEL}`);
    listener.onState(true);
    await ended;
  } finally {
    listener.onState(false);
    await client.end().catch(() => {});
  }
}

/** Returns the event that tells pages whether live updates work: `live`, or `on` for a refresh every minute. */
function stateEvent(isListening: boolean): string {
  return `event: state\ndata: ${isListening ? 'live' : 'on'}\n\n`;
}

/** Returns the connector of a notification, or undefined if it names none. */
function connectorIn(payload: string): string | undefined {
  try {
    const { connector } = JSON.parse(payload) as { connector?: unknown };
    return typeof connector === 'string' ? connector : undefined;
  } catch {
    return undefined;
  }
}

function notifyFollowers(followers: Set<Follower>, connector: string | undefined): void {
  for (const follower of followers) {
    if (follower.connector !== undefined && connector !== undefined && follower.connector !== connector)
      continue;
    follower.timer ??= setTimeout(() => {
      delete follower.timer;
      follower.response.write('event: change\ndata: {}\n\n');
    }, DEBOUNCE_MS);
  }
}
