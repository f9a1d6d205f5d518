/** The step of `check` that tests an S3 server: whether polls and imports can rely on it. */
import { ConnectorError } from '../errors.ts';
import { compileGlob } from '../glob.ts';
import { compareKeys } from '../keys.ts';
import type { Listing } from '../list.ts';
import type { Source } from '../sources/source.ts';
import type { Request } from './request.ts';
import { readByte, sampleOf } from './sample.ts';
import type { StepResult } from './step.ts';

/** The fewest keys that have a middle to list from. */
const ENOUGH_KEYS = 3;
/** Keys may change between two listings, but not so many times in a row. */
const TRIES = 3;

/** Tests order, start-after, If-Match, and the ETag of ranges on the bucket itself. */
export async function checkServer(source: Source, request: Request, listing: Listing): Promise<StepResult> {
  const listed = await tryListing(source, request);
  const object = sampleOf(listing);
  if (!object) return { message: `${listed}; GET not tried: no object that matches has bytes` };
  await readByte(source, object, { offset: object.sizeBytes - 1, signal: request.signal });
  const refuses = await source.refusesOtherVersion(object, { signal: request.signal });
  return {
    message: `${listed}; ranges come with the ETag; If-Match is ${refuses ? 'honoured' : 'ignored'}`,
    ...(refuses
      ? {}
      : {
          hint: 'Nothing to do: the worker compares the ETag of every answer, so no file mixes two versions.',
        }),
  };
}

/** Lists from the middle of the first page. The result must equal the second half of that page. */
async function tryListing(source: Source, { connector, signal }: Request): Promise<string> {
  const { prefix, delimiter } = compileGlob(connector.pattern);
  const listAfter = (startAfter: string | null) => source.list({ prefix, delimiter, startAfter });
  for (let tries = 1; ; tries += 1) {
    signal.throwIfAborted();
    const keys = await firstKeys(listAfter(connector.start_after));
    if (keys.length < ENOUGH_KEYS) return `order and start-after not tried: fewer than ${ENOUGH_KEYS} keys`;
    const middle = Math.floor((keys.length - 1) / 2);
    const rest = keys.slice(middle + 1);
    const again = await keysUpTo(listAfter(keys[middle]!), rest.at(-1)!);
    const difference = firstDifference(rest, again);
    if (difference === undefined) return `${keys.length} keys come in order, and the same from the middle on`;
    if (tries === TRIES) throw unlike(keys[middle]!, difference);
  }
}

async function firstKeys(pages: ReturnType<Source['list']>): Promise<string[]> {
  for await (const { objects } of pages) if (objects.length > 0) return objects.map(({ key }) => key);
  return [];
}

async function keysUpTo(pages: ReturnType<Source['list']>, last: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const { objects, lastKey } of pages) {
    keys.push(...objects.map(({ key }) => key).filter((key) => compareKeys(key, last) <= 0));
    if (lastKey !== null && compareKeys(lastKey, last) >= 0) break;
  }
  return keys;
}

function firstDifference(expected: string[], got: string[]): string | undefined {
  const missing = expected.find((key, index) => key !== got[index]);
  return missing ?? got[expected.length];
}

function unlike(startAfter: string, key: string): ConnectorError {
  return new ConnectorError(
    'list_incomplete',
    `a LIST that starts after ${startAfter} does not have the keys that a LIST from the start has there; they differ at ${key}`,
    {
      hint: "Polls would lose keys on this server. Report it to the server's operator: LIST must honour start-after.",
    },
  );
}
