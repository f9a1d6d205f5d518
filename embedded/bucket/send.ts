import type { ServerResponse } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import type { LiveFault } from './faults.ts';
import type { Reply, StreamedBody } from './reply.ts';

const CHUNK_BYTES = 256 * 1024;

/** Sends an answer, cut or stalled as the fault orders. */
export async function send(
  response: ServerResponse,
  reply: Reply,
  options: { fault?: LiveFault; withBody: boolean },
) {
  const body = reply.body ?? Buffer.alloc(0);
  // The length of a HEAD's body is that of the object; 204 and 304 must have none.
  const length =
    reply.status === 204 || reply.status === 304 ? {} : { 'content-length': String(body.length) };
  response.strictContentLength = true;
  response.writeHead(reply.status, { ...length, ...reply.headers });
  if (!options.withBody) return void response.end();
  const { stall, cut, trickle } = options.fault?.order ?? {};
  if (stall === undefined && cut === undefined && trickle === undefined && Buffer.isBuffer(body))
    return void response.end(body);
  await sendChunks(response, body, options.fault);
}

async function sendChunks(
  response: ServerResponse,
  body: Buffer | StreamedBody,
  fault: LiveFault | undefined,
): Promise<void> {
  const closed = response.destroyed
    ? Promise.resolve()
    : new Promise<void>((resolve) => response.once('close', resolve));
  const { stall, cut, trickle } = fault?.order ?? {};
  let sent = 0;
  const write = async (chunk: Buffer): Promise<void> => {
    const { promise: flushed, resolve } = Promise.withResolvers<unknown>();
    response.write(chunk, resolve);
    await Promise.race([flushed, closed]);
    sent += chunk.length;
  };
  response.flushHeaders();
  for await (const piece of split(body, [stall?.after, cut])) {
    if (sent === stall?.after) await standStill(fault, closed);
    if (response.destroyed || sent === cut) break;
    if (trickle) await dripInto(response, piece, trickle.ms, write);
    else await write(piece);
  }
  if (sent === stall?.after && sent === body.length) await standStill(fault, closed);
  if (cut === undefined) return void response.end();
  fault?.carriedOut();
  response.destroy();
}

/** A byte at a time, until the client gives up. */
async function dripInto(
  response: ServerResponse,
  piece: Buffer,
  ms: number,
  write: (chunk: Buffer) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < piece.length && !response.destroyed; at += 1) {
    await setTimeout(ms);
    await write(piece.subarray(at, at + 1));
  }
}

async function standStill(fault: LiveFault | undefined, closed: Promise<unknown>): Promise<void> {
  const ms = fault?.order.stall?.ms;
  fault?.carriedOut();
  const timer = new AbortController();
  const over = ms === undefined ? [] : [setTimeout(ms, undefined, { signal: timer.signal }).catch(() => {})];
  await Promise.race([fault?.released, closed, ...over]);
  timer.abort();
}

/** The body in pieces that end at each of the offsets. */
async function* split(body: Buffer | StreamedBody, offsets: (number | undefined)[]): AsyncGenerator<Buffer> {
  let position = 0;
  for await (let chunk of Buffer.isBuffer(body) ? slices(body) : body.chunks) {
    while (chunk.length > 0) {
      const next = offsets.filter((offset) => offset !== undefined && offset > position) as number[];
      const piece = chunk.subarray(0, Math.min(chunk.length, ...next.map((offset) => offset - position)));
      yield piece;
      position += piece.length;
      chunk = chunk.subarray(piece.length);
    }
  }
}

function* slices(buffer: Buffer): Generator<Buffer> {
  for (let start = 0; start < buffer.length; start += CHUNK_BYTES)
    yield buffer.subarray(start, start + CHUNK_BYTES);
}
