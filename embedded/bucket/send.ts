/** Sends responses, and applies the faults that cut, stall or slow the body. */
import type { ServerResponse } from 'node:http';
import { setTimeout } from 'node:timers/promises';
import type { LiveFault } from './faults.ts';
import type { Reply, StreamedBody } from './reply.ts';

const CHUNK_BYTES = 256 * 1024;

/** Sends a response. */
export async function send(
  response: ServerResponse,
  reply: Reply,
  options: { fault?: LiveFault; withBody: boolean },
) {
  const body = reply.body ?? Buffer.alloc(0);
  // A HEAD response has the object's length; 204 and 304 must have no length.
  const hasLength = reply.status !== 204 && reply.status !== 304 && !reply.withoutLength;
  const length = hasLength ? { 'content-length': String(body.length) } : {};
  response.strictContentLength = hasLength;
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
  for await (const slice of split(body, [stall?.after, cut])) {
    if (sent === stall?.after) await stallUntilReleased(fault, closed);
    if (response.destroyed || sent === cut) break;
    if (trickle) await trickleInto(response, slice, trickle.ms, write);
    else await write(slice);
  }
  if (sent === stall?.after && sent === body.length) await stallUntilReleased(fault, closed);
  if (cut === undefined) return void response.end();
  fault?.wasApplied();
  response.destroy();
}

/** Sends one byte at a time, until the client closes the connection. */
async function trickleInto(
  response: ServerResponse,
  slice: Buffer,
  ms: number,
  write: (chunk: Buffer) => Promise<void>,
): Promise<void> {
  for (let at = 0; at < slice.length && !response.destroyed; at += 1) {
    await setTimeout(ms);
    await write(slice.subarray(at, at + 1));
  }
}

async function stallUntilReleased(fault: LiveFault | undefined, closed: Promise<unknown>): Promise<void> {
  const ms = fault?.order.stall?.ms;
  fault?.wasApplied();
  const timer = new AbortController();
  const over = ms === undefined ? [] : [setTimeout(ms, undefined, { signal: timer.signal }).catch(() => {})];
  await Promise.race([fault?.released, closed, ...over]);
  timer.abort();
}

/** Yields the body in slices, so that one ends at each offset. */
async function* split(body: Buffer | StreamedBody, offsets: (number | undefined)[]): AsyncGenerator<Buffer> {
  let position = 0;
  for await (let chunk of Buffer.isBuffer(body) ? chunksOf(body) : body.chunks) {
    while (chunk.length > 0) {
      const next = offsets.filter((offset) => offset !== undefined && offset > position) as number[];
      const slice = chunk.subarray(0, Math.min(chunk.length, ...next.map((offset) => offset - position)));
      yield slice;
      position += slice.length;
      chunk = chunk.subarray(slice.length);
    }
  }
}

function* chunksOf(buffer: Buffer): Generator<Buffer> {
  for (let start = 0; start < buffer.length; start += CHUNK_BYTES)
    yield buffer.subarray(start, start + CHUNK_BYTES);
}
