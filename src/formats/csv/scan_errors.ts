/** Errors about records that COPY's CSV format does not allow. */
import { ConnectorError } from '../../errors.ts';

/** How records end. COPY learns it from the first record, and refuses any other line end after it. */
export type Newline = 'lf' | 'crlf' | 'cr';

export function unterminatedQuote(line: number): ConnectorError {
  return new ConnectorError(
    'unterminated_quote',
    `the row that starts at line ${line} has a quote that is never closed`,
    {
      hint: "Check the file's end. If a backslash comes before quotes in values, set csv_escape of the connector to it. If quotes are no quotes (5\" pipe), name a row of file_formats with csv_quote '' in file_format of the connector.",
    },
  );
}

export function rowTooLarge(line: number, size: number, maxRowBytes: number): ConnectorError {
  return new ConnectorError(
    'row_too_large',
    `the row that starts at line ${line} is longer than the ${maxRowBytes} bytes allowed: ${size} bytes up to here`,
    { hint: 'Look for a quote that is never closed, or increase max_row_bytes of the connector.' },
  );
}

/** @param line where the character is; the row starts at `rowLine` */
export function nulCharacter(line: number, rowLine: number, field: number): ConnectorError {
  return new ConnectorError(
    'nul_character',
    `NUL character at line ${line}, field ${field}: text in PostgreSQL cannot hold it`,
    {
      line: rowLine,
      hint: 'Remove the NUL characters from the file, or replace them: set invalid_text of the file format to replace. If the file is UTF-16, set csv_encoding of the connector.',
    },
  );
}

export function footerTooLarge(rows: number, line: number, maxBytes: number): ConnectorError {
  return new ConnectorError(
    'footer_too_large',
    `the ${rows} rows up to line ${line} have more than ${maxBytes} bytes, and any of them may belong to the footer`,
    { hint: 'Lower skip_footer of the file format to the number of rows that the footer has.' },
  );
}

export function escapeBeyondAscii(line: number, encoding: string): ConnectorError {
  return new ConnectorError(
    'unsupported_encoding',
    `the row that starts at line ${line} has a backslash escape for a byte beyond ASCII, and the file is in ${encoding}`,
    { hint: 'Write the file in UTF-8, or the character itself in place of the escape.' },
  );
}

export function mixedNewlines(line: number, expected: Newline, found: Newline): ConnectorError {
  const names = { lf: 'a line feed', crlf: 'carriage return and line feed', cr: 'a carriage return' };
  return new ConnectorError(
    'mixed_newlines',
    `expected every row to end with ${names[expected]} as the first does, got ${names[found]} at line ${line}`,
    { hint: 'Quote fields that contain a newline, and write all line ends alike.' },
  );
}
