import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { after } from 'node:test';
import pg from 'pg';

/** Whether a client keeps its server connection for its whole session, or for a transaction. */
export type PoolMode = 'session' | 'transaction';

/**
 * A pooler like PgBouncer, until the test file ends: it accepts every client, and lends it one of its few connections
 * to the server, to which it logs in by itself.
 * @returns the database's URL through it
 */
export async function openPooler(databaseUrl: string, mode: PoolMode, places: number): Promise<string> {
  const pooler = new Pooler(databaseUrl, mode, places);
  const server = createServer((client) => pooler.serve(client));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  after(async () => {
    server.close();
    await pooler.close();
  });
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String((server.address() as AddressInfo).port);
  return url.href;
}

/** A connection to the server, and the client that has it. */
interface Place {
  server: pg.Client;
  client: Client | undefined;
}

interface Client {
  socket: Socket;
  /** Messages that the client has sent while it has no connection. */
  waiting: Buffer[];
  place: Place | undefined;
}

class Pooler {
  readonly #databaseUrl: string;
  readonly #mode: PoolMode;
  readonly #size: number;
  readonly #places: Place[] = [];
  readonly #queue: Client[] = [];
  readonly #sockets = new Set<Socket>();
  #opening = 0;

  constructor(databaseUrl: string, mode: PoolMode, places: number) {
    this.#databaseUrl = databaseUrl;
    this.#mode = mode;
    this.#size = places;
  }

  serve(socket: Socket): void {
    const client: Client = { socket, waiting: [], place: undefined };
    this.#sockets.add(socket);
    let loggedIn = false;
    socket.on('error', () => {});
    socket.on('close', () => {
      this.#sockets.delete(socket);
      this.#leave(client);
    });
    socket.on('data', (bytes) => {
      if (!loggedIn) {
        loggedIn = true;
        return socket.write(WELCOME);
      }
      // Terminate is for the pooler.
      if (bytes[0] === 0x58) return socket.end();
      if (client.place) return raw(client.place.server).write(bytes);
      client.waiting.push(bytes);
      if (!this.#queue.includes(client)) this.#queue.push(client);
      this.#lend();
    });
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    for (const { server } of this.#places) raw(server).destroy();
  }

  /** Gives free connections to waiting clients. */
  #lend(): void {
    while (this.#queue.length > 0) {
      const free = this.#places.findLast((place) => place.client === undefined);
      if (!free) {
        this.#open();
        return;
      }
      const client = this.#queue.shift()!;
      free.client = client;
      client.place = free;
      for (const bytes of client.waiting.splice(0)) raw(free.server).write(bytes);
    }
  }

  #open(): void {
    if (this.#places.length + this.#opening >= this.#size) return;
    this.#opening++;
    const server = new pg.Client({ connectionString: this.#databaseUrl });
    server.on('error', () => {});
    void server.connect().then(() => {
      this.#opening--;
      const place: Place = { server, client: undefined };
      this.#places.push(place);
      // From here on its messages belong to its client.
      raw(server).removeAllListeners('data');
      raw(server).on('data', (bytes: Buffer) => {
        place.client?.socket.write(bytes);
        if (this.#mode === 'transaction' && endsTransaction(bytes)) this.#release(place);
      });
      this.#lend();
    });
  }

  /** Takes back a connection that its client no longer needs. */
  #release(place: Place): void {
    if (place.client) place.client.place = undefined;
    place.client = undefined;
    this.#lend();
  }

  #leave(client: Client): void {
    const at = this.#queue.indexOf(client);
    if (at >= 0) this.#queue.splice(at, 1);
    const { place } = client;
    if (!place) return;
    // The next client must not find a transaction or session locks of this one.
    this.#places.splice(this.#places.indexOf(place), 1);
    raw(place.server).destroy();
    this.#release(place);
  }
}

const raw = (client: pg.Client) => client.connection.stream;

/** A message to the client: its type, its length, and the rest. */
function message(type: string, body: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeInt32BE(body.length + 4);
  return Buffer.concat([Buffer.from(type), length, body]);
}

/** AuthenticationOk, BackendKeyData with a made-up process id, ReadyForQuery. */
const WELCOME = Buffer.concat([
  message('R', Buffer.alloc(4)),
  message('K', Buffer.alloc(8, 1)),
  message('Z', Buffer.from('I')),
]);

/** Whether an answer ends with ReadyForQuery outside of a transaction. */
function endsTransaction(bytes: Buffer): boolean {
  return bytes.subarray(-6).equals(Buffer.from([0x5a, 0, 0, 0, 5, 0x49]));
}
