/**
 * A process that loads JSON lines by hand. Its arguments are the URL of the database, the table, json or jsonb, and the file.
 * It sends a message when it has connected, and copies when it receives one.
 */
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { jsonStatements } from './json_statements.ts';

const [connectionString, table, type, file] = process.argv.slice(2) as [
  string,
  string,
  'json' | 'jsonb',
  string,
];
const { create, options, insert } = jsonStatements(table, type);
const client = new pg.Client({ connectionString });
await client.connect();
const start = once(process, 'message');
process.send!('connected');
await start;
await client.query(create);
await pipeline(
  createReadStream(file, { highWaterMark: 1024 * 1024 }),
  client.query(copyFrom(`copy lines from stdin with (${options})`)),
);
await client.query(insert);
await client.end();
process.disconnect();
