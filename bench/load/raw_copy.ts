/**
 * A process that copies a CSV file into a table. Its arguments are the URL of the database, the table and the file.
 * It sends a message when it has connected, and copies when it receives one.
 */
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';

const [connectionString, table, file] = process.argv.slice(2) as [string, string, string];
const client = new pg.Client({ connectionString });
await client.connect();
const start = once(process, 'message');
process.send!('connected');
await start;
await pipeline(
  createReadStream(file, { highWaterMark: 1024 * 1024 }),
  client.query(copyFrom(`copy ${table} from stdin with (format csv, header true)`)),
);
await client.end();
process.disconnect();
