import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { after } from 'node:test';

/** A way to PostgreSQL on which answers get lost. */
export interface Proxy {
  /** The database's URL through the proxy. */
  readonly url: string;
  /**
   * The next message to the server with this text in it gets there and is carried out, but the answer does not come
   * back: the connection is cut instead. Resolves when that has happened.
   */
  loseAnswerTo(text: string): Promise<void>;
  /** As `loseAnswerTo`, but the message does not get there either. */
  lose(text: string): Promise<void>;
}

/** Stands between clients and a database, until the test file ends. */
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
      // What comes before that is the answer to a statement's preparation, say; only this means that it was carried out.
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

  url.hostname = '127.0.0.1';
  url.port = String((proxy.address() as AddressInfo).port);
  return {
    url: url.href,
    loseAnswerTo: (text) => new Promise((done) => orders.push({ text, arrives: true, done })),
    lose: (text) => new Promise((done) => orders.push({ text, arrives: false, done })),
  };
}

/** Whether an answer ends with ReadyForQuery: `Z`, its length of 5, and that no transaction is open. */
function isReady(bytes: Buffer): boolean {
  return bytes.subarray(-6).equals(Buffer.from([0x5a, 0, 0, 0, 5, 0x49]));
}
