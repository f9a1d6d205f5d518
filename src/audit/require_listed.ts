/** Checks that polls will find the next key. */
import { ConnectorError } from '../errors.ts';
import type { Glob } from '../glob.ts';
import { compareKeys } from '../keys.ts';
import { headIfThere } from '../sources/heads.ts';
import type { Source } from '../sources/source.ts';

/**
 * Checks that a listing from the marker has the key. Otherwise it would never be imported, while the connector seems caught up.
 * @throws ConnectorError `list_incomplete`; the listing's errors
 */
export async function requireListed(source: Source, glob: Glob, marker: string, key: string): Promise<void> {
  const listing = { prefix: glob.prefix, delimiter: glob.delimiter, startAfter: marker };
  for await (const page of source.list(listing)) {
    if (page.objects.some((object) => object.key === key)) return;
    if (page.lastKey !== null && compareKeys(page.lastKey, key) >= 0) break;
  }
  if (await headIfThere(source, key)) throw incomplete(marker, key);
}

function incomplete(marker: string, key: string): ConnectorError {
  return new ConnectorError(
    'list_incomplete',
    `the server's LIST answers leave keys out: ${key} comes after the marker ${marker}, and a LIST that starts after the marker does not have it`,
    {
      hint: "Polls will not find it either. Report it to the server's operator. Until it is fixed, try a pattern whose literal start is the key's own folder.",
    },
  );
}
