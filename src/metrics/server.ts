/** Serves `/metrics` and `/healthz` of a worker. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { ConnectorError, describeError } from '../errors.ts';
import { log } from '../log.ts';
import type { WorkerContext } from '../task.ts';
import { readDatabaseFamilies } from './database.ts';
import { type Family, gauge } from './families.ts';
import { readHealth } from './health.ts';
import { readProcessFamilies } from './process.ts';
import type { QueueWatch } from './queue_watch.ts';
import { CONTENT_TYPE, toText } from './text.ts';

export interface MetricsServer {
  readonly port: number;
  close(): Promise<void>;
}

interface Answer {
  status: number;
  type: string;
  body: string;
}

/**
 * Starts the server.
 * @throws ConnectorError `metrics_port` if it cannot listen
 */
export async function openMetricsServer(
  worker: WorkerContext,
  queues: readonly QueueWatch[],
  { host, port }: { host: string; port: number },
): Promise<MetricsServer> {
  const database = shareAnswer(() => readDatabaseFamilies(worker.control.db));
  const pages: Record<string, () => Promise<Answer>> = {
    '/metrics': async () => {
      const families = [...(await databaseFamilies(database)), ...(await readProcessFamilies(worker))];
      return { status: 200, type: CONTENT_TYPE, body: toText(families) };
    },
    '/healthz': async () => {
      const health = await readHealth(worker, queues);
      return {
        status: health.healthy ? 200 : 503,
        type: 'application/json',
        body: `${JSON.stringify(health)}\n`,
      };
    },
  };
  const server = createServer((request, response) => void answer(pages, request, response));
  await listen(server, host, port);
  const address = server.address() as { port: number };
  return { port: address.port, close: () => closeServer(server) };
}

/** Returns the database's metrics, or only that it is down: the process's metrics are served without it. */
async function databaseFamilies(read: () => Promise<Family[]>): Promise<Family[]> {
  const up = (value: number) =>
    gauge('s3_connector_worker_database_up', '1 if the database answered this scrape, otherwise 0.', value);
  try {
    return [...(await read()), up(1)];
  } catch (error) {
    log.warn('metrics not read', { error: describeError(error) });
    return [up(0)];
  }
}

/** Returns a function that shares one query among concurrent calls. */
function shareAnswer<T>(ask: () => Promise<T>): () => Promise<T> {
  let asking: Promise<T> | undefined;
  return () => {
    asking ??= ask().finally(() => {
      asking = undefined;
    });
    return asking;
  };
}

async function answer(
  pages: Record<string, () => Promise<Answer>>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { status, type, body } = await findAnswer(pages, request);
  response.writeHead(status, { 'content-type': type, 'cache-control': 'no-store' });
  response.end(request.method === 'HEAD' ? undefined : body);
}

async function findAnswer(
  pages: Record<string, () => Promise<Answer>>,
  request: IncomingMessage,
): Promise<Answer> {
  const path = (request.url ?? '').split('?')[0]!;
  const plain = (status: number, body: string) => ({ status, type: 'text/plain; charset=utf-8', body });
  if (!Object.hasOwn(pages, path)) return plain(404, 'The pages are /metrics and /healthz.\n');
  if (request.method !== 'GET' && request.method !== 'HEAD') return plain(405, 'Only GET.\n');
  try {
    return await pages[path]!();
  } catch (error) {
    log.error('request to the metrics server failed', { path, error: describeError(error) });
    return plain(500, 'Internal error. See the log of the worker.\n');
  }
}

async function listen(server: Server, host: string, port: number): Promise<void> {
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new ConnectorError(
      'metrics_port',
      `cannot serve metrics at ${host}:${port}: ${describeError(error)}`,
      {
        hint: 'Set METRICS_PORT to a free port, or unset it. Each worker of a machine needs its own.',
        cause: error,
      },
    );
  }
}

async function closeServer(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
