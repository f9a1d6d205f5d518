import type { CsvDialect } from '../../src/formats/csv/dialect.ts';

/** A record as COPY parses it: the raw bytes and the value of each field. */
export interface ModelRecord {
  raw: string[];
  values: (string | null)[];
}

/** COPY's result for a file before it knows the columns. */
export interface Model {
  records: ModelRecord[];
  /** The newline of the first record, which all records must have; null if it has none. */
  newline: string | null;
  /** Why COPY refuses the data after the records; null if it does not. */
  refused: string | null;
}

/**
 * A simple model of COPY ... (FORMAT csv) after PostgreSQL's copyfromparse.c: first lines, then fields. One
 * character of `text` is one character of the file; `\.` has no meaning here.
 */
export function modelCopy(text: string, dialect: CsvDialect): Model {
  const model: Model = { records: [], newline: null, refused: null };
  try {
    for (const { line, end } of modelLines(text, dialect)) {
      model.newline ??= end;
      model.records.push(modelFields(line, dialect));
    }
  } catch (error) {
    model.refused = (error as Error).message;
  }
  return model;
}

/** The lines of a file with their newlines; the last line may have none. */
export function* modelLines(
  text: string,
  dialect: CsvDialect,
): Generator<{ line: string; end: string | null }> {
  const { quote, escape: escapeChar } = dialect;
  let newline: string | null = null;
  let line = '';
  let inQuote = false;
  let lastWasEscape = false;
  for (let at = 0; at < text.length; at++) {
    const char = text[at] as string;
    if (quote !== escapeChar) {
      if (inQuote && char === escapeChar) lastWasEscape = !lastWasEscape;
      if (char === quote && !lastWasEscape) inQuote = !inQuote;
      if (char !== escapeChar) lastWasEscape = false;
    } else if (char === quote) {
      inQuote = !inQuote;
    }
    if (inQuote || (char !== '\n' && char !== '\r')) {
      line += char;
      continue;
    }
    const end: string = char === '\r' && text[at + 1] === '\n' && newline !== '\r' ? '\r\n' : char;
    newline ??= end;
    if (end !== newline) throw new Error('mixed_newlines');
    at += end.length - 1;
    yield { line, end };
    line = '';
  }
  if (line !== '') yield { line, end: null };
}

function modelFields(line: string, dialect: CsvDialect): ModelRecord {
  const { delimiter, quote, escape: escapeChar, nullText } = dialect;
  const record: ModelRecord = { raw: [], values: [] };
  let at = 0;
  for (;;) {
    let raw = '';
    let value = '';
    let sawQuote = false;
    while (at < line.length && line[at] !== delimiter) {
      if (line[at] !== quote) {
        raw += line[at];
        value += line[at++];
        continue;
      }
      sawQuote = true;
      const start = at++;
      for (;;) {
        if (at >= line.length) throw new Error('unterminated_quote');
        if (line[at] === escapeChar && (line[at + 1] === escapeChar || line[at + 1] === quote)) {
          value += line[at + 1];
          at += 2;
        } else if (line[at] === quote) {
          at++;
          break;
        } else {
          value += line[at++];
        }
      }
      raw += line.slice(start, at);
    }
    record.raw.push(raw);
    record.values.push(!sawQuote && raw === nullText ? null : value);
    if (at >= line.length) return record;
    at++;
  }
}
