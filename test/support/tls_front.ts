/** Puts TLS in front of a server that speaks HTTP. */
import { once } from 'node:events';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { after } from 'node:test';
import { createServer } from 'node:tls';
import { type Identity, makeIdentity } from './certificate.ts';

/** Starts it for the rest of the test file. Returns its endpoint, and the certificate that clients must trust. */
export async function startTlsFront(endpoint: string): Promise<{ endpoint: string; identity: Identity }> {
  const identity = makeIdentity();
  const { hostname, port } = new URL(endpoint);
  const sockets = new Set<Socket>();
  const server = createServer(identity, (client) => {
    const behind = connect(Number(port), hostname);
    for (const socket of [client, behind]) {
      sockets.add(socket);
      socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    }
    client.pipe(behind).pipe(client);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { endpoint: `https://127.0.0.1:${(server.address() as AddressInfo).port}`, identity };
}
