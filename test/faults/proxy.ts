import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { after } from 'node:test';

/** A proxy to PostgreSQL that can lose messages. */
export interface Proxy {
  /** The database's URL through the proxy. */
  readonly url: string;
  /** Returns another URL of the same server, through the proxy. */
  through(databaseUrl: string): string;
  /**
   * The server receives and runs the next message that contains this text, but its answer is lost:
   * the connection is cut instead. Resolves when that has happened.
   */
  loseAnswerTo(text: string): Promise<void>;
  /** As `loseAnswerTo`, but the server does not receive the message either. */
  lose(text: string): Promise<void>;
}

/** Forwards connections of clients to a database, until the test file ends. */
export async function openProxy(databaseUrl: string): Promise<Proxy> {
  const url = new URL(databaseUrl);
  const [host, port] = [url.hostname, Number(url.port)];
  const orders: { text: string; arrives: boolean; done: () => void }[] = [];
  const sockets = new Set<Socket>();

  const proxy = createServer((client) => {
    const server = connect(port, host);
    let swallowed: (() => void) | undefined;
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => {
        sockets.delete(one);
        other.destroy();
      });
    }
    client.on('data', (bytes) => {
      const found = orders.findIndex(({ text }) => bytes.includes(text));
      const [order] = found < 0 ? [] : orders.splice(found, 1);
      if (order && !order.arrives) {
        client.destroy();
        return order.done();
      }
      swallowed ??= order?.done;
      server.write(bytes);
    });
    server.on('data', (bytes) => {
      // Earlier answers may belong to the preparation of a statement; only this one means that the statement has run.
      if (!swallowed || !isReady(bytes)) return void client.write(bytes);
      client.destroy();
      swallowed();
    });
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  after(() => {
    proxy.close();
    for (const socket of sockets) socket.destroy();
  });

  const { port: ownPort } = proxy.address() as AddressInfo;
  const through = (other: string) =>
    Object.assign(new URL(other), { hostname: '127.0.0.1', port: String(ownPort) }).href;
  return {
    url: through(databaseUrl),
    through,
    loseAnswerTo: (text) => new Promise((done) => orders.push({ text, arrives: true, done })),
    lose: (text) => new Promise((done) => orders.push({ text, arrives: false, done })),
  };
}

/** Whether an answer ends with ReadyForQuery: `Z`, its length of 5, and the state outside of a transaction. */
function isReady(bytes: Buffer): boolean {
  return bytes.subarray(-6).equals(Buffer.from([0x5a, 0, 0, 0, 5, 0x49]));
}
