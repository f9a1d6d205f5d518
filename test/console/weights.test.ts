import assert from 'node:assert/strict';
import { get, type IncomingHttpHeaders } from 'node:http';
import { test } from 'node:test';
import { brotliDecompressSync, gunzipSync } from 'node:zlib';
import { openWorld } from '../support/world.ts';
import { openConsole } from './support.ts';

const world = await openWorld();
const console = await openConsole(world.db.url);
const PAGES = {
  overview: '/',
  flow: '/?view=flow',
  connector: '/connector?name=weighed',
  file: '/file?name=weighed&key=weighed/00.csv',
  rejected: '/rejected?name=weighed',
  workers: '/workers',
  setup: '/setup',
  code: '/code?code=bad_value',
};

interface Answer {
  bytes: number;
  text: string;
  headers: IncomingHttpHeaders;
}

/** Gets an address as a browser does; `bytes` is what goes over the network, without the headers. */
function request(path: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    get(console.url + path, { headers: { 'accept-encoding': 'gzip, br' } }, async (response) => {
      const body = Buffer.concat(await response.toArray());
      const { 'content-encoding': encoding } = response.headers;
      const plain =
        encoding === 'br' ? brotliDecompressSync(body) : encoding === 'gzip' ? gunzipSync(body) : body;
      resolve({ bytes: body.length, text: plain.toString('utf8'), headers: response.headers });
    }).on('error', reject);
  });
}

/** Returns everything that a browser gets for a page: the page, what it names, and what that imports. */
async function load(path: string): Promise<Map<string, Answer>> {
  const answers = new Map<string, Answer>();
  const queue = [path];
  for (const address of queue) {
    if (answers.has(address)) continue;
    const answer = await request(address);
    answers.set(address, answer);
    const named = [...answer.text.matchAll(/(?:href|src)="(\/assets\/[^"]+)"/g)].map(([, found]) => found!);
    const imported = address.endsWith('.js')
      ? [...answer.text.matchAll(/from '(\.\/[^']+)'/g)].map(
          ([, found]) => new URL(found!, console.url + address).pathname,
        )
      : [];
    queue.push(...named, ...imported);
  }
  return answers;
}

test('a page is light at the first visit, and alone at the next', async (context) => {
  for (let n = 0; n < 60; n++)
    world.put(`weighed/${String(n).padStart(2, '0')}.csv`, n % 3 === 0 ? 'n\n1\nx\n' : 'n\n1\n');
  await world.startWorker();
  await world.db.query('create table weighed (n integer)');
  await world.insertConnector({
    name: 'weighed',
    pattern: 'weighed/*',
    target_table: 'weighed',
    on_bad_row: 'skip',
  });
  await world.settled('weighed');
  const sum = (answers: Answer[]) => answers.reduce((total, { bytes }) => total + bytes, 0);
  for (const [name, path] of Object.entries(PAGES)) {
    const answers = await load(path);
    const again = [...answers.values()].filter(
      ({ headers }) => !/immutable/.test(headers['cache-control'] ?? ''),
    );
    const first = sum([...answers.values()]);
    const next = sum(again);
    context.diagnostic(
      `${name}: ${answers.size} requests and ${first} bytes at first; ${again.length} request and ${next} bytes later (${answers.get(path)!.text.length} characters)`,
    );
    assert.equal(again.length, 1, `${name} loads ${[...answers.keys()].join(', ')}`);
    assert.ok(answers.size <= 6, `${name} needs ${answers.size} requests`);
    assert.ok(first < 50_000, `${name} has ${first} bytes`);
    assert.ok(next < 20_000, `${name} has ${next} bytes at the next visit`);
  }
});
