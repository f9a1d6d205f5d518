/** Errors about JSON files. */
import { ConnectorError } from '../../errors.ts';
import { showBeside } from '../../table/show_name.ts';

/** A record's place: its line, or its number. */
export interface Place {
  unit: 'line' | 'row';
  line: number;
}

export function badRecord({ unit, line }: Place, code: string, reason: string): ConnectorError {
  return new ConnectorError(code, `${unit} ${line}: ${reason}`, {
    line,
    hint: 'Fix the record in the file, or set on_bad_row of the connector to skip, which leaves it out.',
  });
}

/** Fails the file: it is not certain where the next record begins. */
export function invalidJson(line: number, reason: string): ConnectorError {
  return new ConnectorError('invalid_json', `line ${line}: not valid JSON: ${reason}`, {
    hint: 'Fix the file, and write it again. Where its next record begins is not certain, so on_bad_row cannot leave this one out.',
  });
}

export function rowTooLarge(line: number, size: number, maxRowBytes: number): ConnectorError {
  return new ConnectorError(
    'row_too_large',
    `the record that starts at line ${line} is longer than the ${maxRowBytes} bytes allowed: ${size} bytes up to here`,
    {
      hint: 'Increase max_row_bytes of the connector. If the records are in an array within an object, name it in json_records of a file format, such as $.Records.',
    },
  );
}

export function notJson(what: string, hint: string): ConnectorError {
  return new ConnectorError('not_json', `the file is not JSON: ${what}`, { hint });
}

export function recordsNotFound(line: number, path: string, what: string): ConnectorError {
  return new ConnectorError(
    'records_not_found',
    `line ${line}: ${what}, so json_records ${path} finds no records`,
    {
      hint: 'Correct json_records of the file format. Or, if the file has no records, leave its key out with exclude of the connector, or cancel it with cancel_file.',
    },
  );
}

export function unknownKey({ unit, line }: Place, key: string, has: string[]): ConnectorError {
  return new ConnectorError(
    'unknown_column',
    `${unit} ${line}: the record has the key ${showBeside(key, has)}, for which the table has no column`,
    {
      line,
      hint: 'Add the column, map the key in column_mappings (a null target_column leaves it out), or set on_unknown_column to ignore.',
    },
  );
}

/** The import reads the file again, from the start, with all keys known. */
export function lateKey({ unit, line }: Place, key: string): ConnectorError {
  return new ConnectorError(
    'read_too_early',
    `${unit} ${line} is the first with the key ${JSON.stringify(key)}, whose column would have had its default`,
    { passing: true },
  );
}
