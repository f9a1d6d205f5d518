/**
 * The "end marker": `\.` alone on a line. COPY FROM STDIN before PostgreSQL 18 treats it as the end of the data, also in
 * CSV, and silently drops the rest (CopyReadLineText in src/backend/commands/copyfromparse.c).
 */
import { ConnectorError } from '../../errors.ts';

export const END_MARKER = Buffer.from('\\.');

export function endMarkerFound(line: number): ConnectorError {
  return new ConnectorError(
    'end_of_data_marker',
    `line ${line} is \\. alone, which PostgreSQL treats as the end of the data: it would drop the rest of the file`,
    { hint: 'Quote the value in the file ("\\."), or end the file before that line.' },
  );
}
