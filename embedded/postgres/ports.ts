/** Finds a free port. */
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

// Below the ephemeral ports (Linux: from 32768). While a server on an ephemeral port restarts, a client that reconnects
// may get that port as its own, connect to itself, and block the server.
const FIRST = 15_432;
const LAST = 32_000;

/** Returns a port of 127.0.0.1 on which no program listens. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(FIRST, LAST);
    const server = createServer();
    try {
      server.listen(port, '127.0.0.1');
      await once(server, 'listening');
      server.close();
      await once(server, 'close');
      return port;
    } catch (error) {
      if ((error as { code?: string }).code !== 'EADDRINUSE') throw error;
    }
  }
}
