/** "Taken entries": those of an archive that are imported, by zip_entries of the file format. */
import type { Entry } from '../compression/entries.ts';
import { ConnectorError } from '../errors.ts';
import { compileGlob } from '../glob.ts';
import { showNames } from '../table/show_name.ts';

/**
 * Yields the entries that are imported, and null for each other one.
 * @throws ConnectorError `unsupported_zip` if a zip has none of them
 */
export async function* takenEntries(
  entries: AsyncIterable<Entry>,
  zipEntries: string | null,
): AsyncGenerator<Entry | null> {
  const glob = zipEntries === null ? null : compileGlob(zipEntries);
  const left: string[] = [];
  let taken = 0;
  for await (const entry of entries) {
    const isTaken = glob === null || entry.name === null || glob.matches(entry.name);
    if (isTaken) taken += 1;
    else left.push(entry.name!);
    yield isTaken ? entry : null;
  }
  if (taken > 0 || left.length === 0) return;
  throw new ConnectorError(
    'unsupported_zip',
    `none of the ${left.length} entries of the zip file matches zip_entries ${zipEntries}; the first ones are ${showNames(left.slice(0, 5))}`,
    { hint: 'Change zip_entries of the file format, or cancel the file with cancel_file.' },
  );
}
