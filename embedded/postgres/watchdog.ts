/**
 * The "watchdog": a process between a program and its PostgreSQL server, which removes the server when the program ends.
 * The server is its child process, and it deletes the directory. The channel closes when the program ends in any way,
 * SIGKILL included. The watchdog runs in its own session, so that Ctrl-C does not reach it.
 */
import { Cluster } from './cluster.ts';
import type { Reply, Request, ServerInfo, StartOptions } from './protocol.ts';

let cluster: Cluster | undefined;
let abandoned = false;
let work: Promise<unknown> = Promise.resolve();

process.on('message', (request: Request) => {
  work = work.then(async () => {
    try {
      reply({ done: await handle(request) });
    } catch (error) {
      reply({ failed: error instanceof Error ? error.message : String(error) });
    }
  });
});
for (const event of ['disconnect', 'SIGINT', 'SIGTERM', 'SIGHUP']) process.on(event, abandon);

async function handle(request: Request): Promise<ServerInfo> {
  if (request.command === 'start') return start(request.options);
  if (!cluster) throw new Error('the server is not running: it was stopped, or did not start');
  await cluster.stop(request.mode);
  if (request.command === 'restart') await cluster.start();
  const info = describe(cluster);
  if (request.command === 'stop') await remove();
  return info;
}

async function start(options: StartOptions): Promise<ServerInfo> {
  try {
    cluster = await Cluster.make(options, (log) => reply({ log }));
    await cluster.initialize();
    if (abandoned) throw new Error('the program that asked for the server has ended');
    await cluster.start();
    return describe(cluster);
  } catch (error) {
    await remove();
    throw error;
  }
}

async function remove(): Promise<void> {
  await cluster?.remove();
  cluster = undefined;
}

/** Interrupts the current request, then stops the server and exits. */
function abandon(): void {
  if (abandoned) return;
  abandoned = true;
  void cluster?.stop('immediate');
  work = work
    .then(() => cluster?.stop('immediate'))
    .then(remove)
    .finally(() => process.exit());
}

function describe({ pid, dataDir, socketDir, port, version }: Cluster): ServerInfo {
  return { pid, dataDir, socketDir, port, version };
}

function reply(message: Reply): void {
  // The program may have ended already.
  if (process.connected) process.send?.(message, undefined, undefined, () => {});
}
