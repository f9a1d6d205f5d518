/** An HTTP proxy that asks for a password, and records what it is asked for. */
import { once } from 'node:events';
import { createServer, request as sendRequest } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { after } from 'node:test';

export const PROXY_USER = 'proxy user';
export const PROXY_PASSWORD = 'pa:ss@word';
const EXPECTED = `Basic ${Buffer.from(`${PROXY_USER}:${PROXY_PASSWORD}`).toString('base64')}`;

export interface HttpProxy {
  /** With user and password. */
  readonly url: string;
  /** The hosts of CONNECT requests, `host:port`. */
  readonly tunnels: string[];
  /** The URLs of requests without a tunnel. */
  readonly forwarded: string[];
  /** Tunnels and requests without the right password. */
  readonly refused: string[];
  /** How many tunnels are open, at most. */
  readonly mostOpen: number;
  /** Whether it accepts CONNECT requests, and never answers. */
  isSilent: boolean;
}

/** Starts it for the rest of the test file. */
export async function startHttpProxy(): Promise<HttpProxy> {
  const open = new Set<Duplex>();
  let mostOpen = 0;
  const keep = (socket: Duplex) => {
    open.add(socket);
    socket.on('error', () => {}).on('close', () => open.delete(socket));
  };
  const server = createServer((message, response) => {
    if (message.headers['proxy-authorization'] !== EXPECTED) {
      proxy.refused.push(message.url!);
      response.writeHead(407).end();
      return;
    }
    proxy.forwarded.push(message.url!);
    const { 'proxy-authorization': _, ...headers } = message.headers;
    const behind = sendRequest(message.url!, { method: message.method!, headers }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    behind.on('error', () => response.destroy());
    message.pipe(behind);
  });
  server.on('connect', (message, client: Socket) => {
    keep(client);
    if (proxy.isSilent) return;
    if (message.headers['proxy-authorization'] !== EXPECTED) {
      proxy.refused.push(message.url!);
      client.end('HTTP/1.1 407 Proxy Authentication Required\r\n\r\n');
      return;
    }
    proxy.tunnels.push(message.url!);
    const { hostname, port } = new URL(`http://${message.url}`);
    const behind = connect(Number(port || 443), hostname, () => {
      mostOpen = Math.max(mostOpen, open.size / 2);
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      client.pipe(behind).pipe(client);
    });
    keep(behind);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  after(() => {
    server.close().closeAllConnections();
    for (const socket of open) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  const user = `${encodeURIComponent(PROXY_USER)}:${encodeURIComponent(PROXY_PASSWORD)}`;
  const proxy = {
    url: `http://${user}@127.0.0.1:${port}`,
    tunnels: [] as string[],
    forwarded: [] as string[],
    refused: [] as string[],
    get mostOpen() {
      return mostOpen;
    },
    isSilent: false,
  };
  return proxy;
}
