import { ConnectorError } from '../../errors.ts';

/**
 * `\.` alone on a line: COPY FROM STDIN before PostgreSQL 18 takes it for the end of the data, also in CSV, and
 * drops all that follows without a word (CopyReadLineText in src/backend/commands/copyfromparse.c).
 */
export const END_MARKER = Buffer.from('\\.');

export function endMarkerFound(line: number): ConnectorError {
  return new ConnectorError(
    'end_of_data_marker',
    `line ${line} is \\. alone, which PostgreSQL takes for the end of the data: it would drop all that follows`,
    { hint: 'Quote the value in the file: "\\.", or end the file before that line.' },
  );
}
