import type { ServerResponse } from 'node:http';
import postgres from 'postgres';

/** Tells open pages that files changed, as soon as the database does (LISTEN). Pages do without it, too: they refresh each minute. */
export interface Live {
  /** Keeps the response open and writes a server-sent event to it after changes of that connector, or of any. */
  follow(response: ServerResponse, connector: string | undefined): void;
  close(): Promise<void>;
}

const CHANNEL = 's3_connector';
/** Changes that come closer together than this make one event. */
const GATHER_MS = 500;
/** Something must be sent now and then, or proxies take the connection for a dead one. */
const KEEP_ALIVE_MS = 25_000;

interface Follower {
  connector: string | undefined;
  response: ServerResponse;
  timer?: NodeJS.Timeout;
}

/** Begins to listen; a database that cannot be reached is tried again and again, by the driver. */
export function startLive(databaseUrl: string): Live {
  const followers = new Set<Follower>();
  const client = postgres(databaseUrl, {
    max: 1,
    onnotice: () => {},
    connection: { application_name: 's3_connector console live' },
  });
  // Pages say themselves when the database is not there.
  client.listen(CHANNEL, (payload) => tell(followers, connectorIn(payload))).catch(() => {});
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
      response.write('retry: 5000\n\n');
    },
    async close() {
      clearInterval(keepAlive);
      for (const { response } of followers) response.end();
      await client.end({ timeout: 1 });
    },
  };
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
