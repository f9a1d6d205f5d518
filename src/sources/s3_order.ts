/** Checks the order of listings. */
import { ConnectorError } from '../errors.ts';
import { compareKeys, laterKey } from '../keys.ts';
import type { S3Page } from './s3_listing.ts';

/** The request for a page. */
export interface Asked {
  prefix: string;
  /** The continuation token; undefined for a request with start-after, or from the start. */
  token?: string | undefined;
}

/** After so many pages in a row without a new key, a listing counts as endless. */
const MAX_EMPTY_PAGES = 1000;

/**
 * Checks that the keys of one listing only rise. The marker moves to the last listed key, so a key out of order would be behind
 * the marker, and never imported.
 */
export class ListingOrder {
  /** All further entries must come after it. */
  #position: string | null;
  #emptyPages = 0;

  constructor(startAfter: string | null) {
    this.#position = startAfter;
  }

  get position(): string | null {
    return this.#position;
  }

  /** Notes the start-after of the next request. */
  startAfter(key: string | null): void {
    this.#position = laterKey(this.#position, key);
  }

  /**
   * Checks a page, and moves the position to its last entry.
   * @returns that entry, a key or a folder; null if the page has nothing new
   * @throws ConnectorError `list_out_of_order`, `list_goes_round`
   */
  pass(page: S3Page, asked: Asked): string | null {
    const start = this.#position;
    const lastKey = checkRising(
      page.objects.map(({ key }) => key),
      { ...asked, start },
    );
    // A folder may be listed again for its later keys. It is not new, and hides nothing.
    const folders = page.folders.filter((folder) => start === null || !start.startsWith(folder));
    const last = laterKey(lastKey, checkRising(folders, { ...asked, start }));
    this.#noteProgress(last !== null, page.next, asked);
    this.#position = last ?? start;
    return last;
  }

  #noteProgress(isNew: boolean, next: string | undefined, asked: Asked): void {
    this.#emptyPages = isNew || next === undefined ? 0 : this.#emptyPages + 1;
    if (this.#emptyPages === 0) return;
    if (next === asked.token) throw goesRound('a page without new keys has the same token as its request');
    if (this.#emptyPages >= MAX_EMPTY_PAGES)
      throw goesRound(`${MAX_EMPTY_PAGES} pages in a row have no new keys, and each has a token for more`);
  }
}

interface Start extends Asked {
  start: string | null;
}

/** Returns the last of the names; null if there are none. */
function checkRising(names: string[], asked: Start): string | null {
  let last = asked.start;
  for (const [index, name] of names.entries()) {
    if (!name.startsWith(asked.prefix)) throw outside(name, asked.prefix);
    if (last !== null && compareKeys(name, last) <= 0) throw backwards(last, name, index === 0, asked);
    last = name;
  }
  return names.length > 0 ? last : null;
}

function backwards(last: string, name: string, isFirst: boolean, asked: Start): ConnectorError {
  const names = `${quote(name)} after ${quote(last)}`;
  if (last < name) return outOfOrder(`it sorts keys by UTF-16 code units: it lists ${names}`);
  if (!isFirst) return outOfOrder(`it lists ${names}`);
  if (asked.token !== undefined) return goesRound(`a continuation token leads back: it lists ${names}`);
  return outOfOrder(`asked for keys after ${quote(last)}, it lists ${quote(name)}`);
}

function outside(name: string, prefix: string): ConnectorError {
  return outOfOrder(`asked for keys that begin with ${quote(prefix)}, it lists ${quote(name)}`);
}

function outOfOrder(what: string): ConnectorError {
  return new ConnectorError(
    'list_out_of_order',
    `the server's LIST answers are not in the order of S3, by UTF-8 bytes: ${what}`,
    {
      hint: 'Nothing was imported from this listing, because keys would be lost. Use a server, or a setting of it, that lists keys in UTF-8 byte order and honours start-after.',
    },
  );
}

function goesRound(what: string): ConnectorError {
  return new ConnectorError('list_goes_round', `the server's LIST answers do not end: ${what}`, {
    hint: 'Nothing was imported from this listing. Report it to the operator of the server, or of the proxy in front of it: continuation tokens must lead forward.',
  });
}

/** Longer keys are cut in messages, in characters. */
const MAX_LENGTH = 200;

function quote(key: string): string {
  return JSON.stringify(key.length <= MAX_LENGTH ? key : `${key.slice(0, MAX_LENGTH).toWellFormed()} ...`);
}
