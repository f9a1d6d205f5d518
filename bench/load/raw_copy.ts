// A process of its own, as psql is: arguments are a database's URL, a table and a CSV file. Says when it is
// connected, and copies when it is told to.
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

const [connectionString, table, file] = process.argv.slice(2) as [string, string, string];
const client = new pg.Client({ connectionString });
await client.connect();
const told = once(process, 'message');
process.send!('connected');
await told;
await pipeline(
  createReadStream(file, { highWaterMark: 1024 * 1024 }),
  client.query(copyFrom(`copy ${table} from stdin with (format csv, header true)`)),
);
await client.end();
process.disconnect();
