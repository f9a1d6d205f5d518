/** Errors of the entries of an archive. */
import { ConnectorError, locate } from '../errors.ts';

/** What an entry that is no data, such as a README, fails with. */
const OF_OTHER_FILES = [
  'not_csv',
  'bad_row',
  'bad_value',
  'nul_character',
  'invalid_encoding',
  'unterminated_quote',
  'duplicate_column',
  'unknown_column',
  'no_column_matches',
];

/** Runs a step of reading an entry. Its errors name the entry; null is the file itself. */
export async function ofEntry<Result>(name: string | null, step: () => Promise<Result>): Promise<Result> {
  try {
    return await step();
  } catch (error) {
    // The archive's own errors name it already.
    const isNamed = error instanceof ConnectorError && name !== null && error.message.includes(`"${name}"`);
    throw name === null || isNamed || !(error instanceof ConnectorError) ? error : inEntry(error, name);
  }
}

/** Returns the error with the name of its entry. If the entry may be no data, the hint says how to leave it out. */
export function inEntry(error: unknown, name: string): ConnectorError {
  const located = locate(error, `${name}, `);
  if (!OF_OTHER_FILES.includes(located.code)) return located;
  const hint =
    'If this entry is not to be imported, set zip_entries of the file format to a glob for the others.';
  return new ConnectorError(located.code, located.message, {
    passing: located.passing,
    line: located.line,
    column: located.column,
    cause: error,
    hint: [located.hint, hint].filter(Boolean).join(' '),
  });
}
