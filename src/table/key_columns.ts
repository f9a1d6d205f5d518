/** Takes column values from the key: the parts `name=value` that Hive and Spark write. */
import type { ColumnMapping, Connector } from '../db/schema.ts';
import { ConnectorError } from '../errors.ts';
import type { ConstantColumn } from '../formats/constants.ts';
import { convertTime } from '../formats/csv/normalize/conversions.ts';
import type { FileColumn } from '../formats/format.ts';
import { findNamed } from './names.ts';
import { quoteTable, type TargetTable } from './table.ts';

/** Null, as Hive and Spark write it. */
const NULL_PART = '__HIVE_DEFAULT_PARTITION__';

/** Returns the columns that a connector takes from the key. They are text, unless a mapping gives another type. */
export function keyColumns({ hive_columns: names }: Pick<Connector, 'hive_columns'>): FileColumn[] {
  return (names ?? []).map((name) => ({ name, type: 'text', nullable: true }));
}

/**
 * Returns the values of a key's parts `name=value`, each with the column of the table that it goes into.
 * @throws ConnectorError `hive_part_missing`, `hive_part_repeated`, `bad_hive_value`, `no_hive_column`
 */
export function keyConstants(
  key: string,
  table: TargetTable,
  connector: Pick<Connector, 'hive_columns'>,
  mappings: ColumnMapping[],
): ConstantColumn[] {
  return keyColumns(connector).flatMap(({ name }) => {
    const mapping = mappings.find(({ source_column }) => source_column === name);
    const wanted = mapping ? mapping.target_column : name;
    if (wanted === null) return [];
    const target = findNamed(table.columns, wanted);
    if (!target) throw noHiveColumn(name, wanted, table);
    const text = keyValue(key, name);
    const format = mapping?.date_format ?? null;
    const value = text === null || format === null ? text : convertTime(text, target.baseType, format);
    return [{ source: name, target, value }];
  });
}

/**
 * Returns the URL-decoded value of a key's part; null for Hive's null.
 * @throws ConnectorError `hive_part_missing`, `hive_part_repeated`, `bad_hive_value`
 */
export function keyValue(key: string, name: string): string | null {
  // The last part is the file's own name.
  const parts = key.split('/').slice(0, -1);
  const values = parts.flatMap((part) => {
    const at = part.indexOf('=');
    return at > 0 && unescapeUrl(part.slice(0, at)) === name ? [part.slice(at + 1)] : [];
  });
  if (values.length !== 1) throw values.length === 0 ? partMissing(key, name) : partRepeated(key, name);
  const value = unescapeUrl(values[0]!);
  if (value === null || /[\0\r\n]/.test(value)) throw badValue(key, name);
  return value === NULL_PART ? null : value;
}

/** Decodes URL escapes. Other percent signs are literal. Returns null if the bytes are not UTF-8. */
function unescapeUrl(text: string): string | null {
  try {
    return text.replace(/(?:%[0-9A-Fa-f]{2})+/g, (escaped) => decodeURIComponent(escaped));
  } catch {
    return null;
  }
}

function partMissing(key: string, name: string): ConnectorError {
  return new ConnectorError(
    'hive_part_missing',
    `the key has no part ${name}=..., which hive_columns names`,
    {
      column: name,
      hint: `Rename the object ${key} so that it has the part, or pause the connector and remove ${name} from hive_columns.`,
    },
  );
}

function partRepeated(key: string, name: string): ConnectorError {
  return new ConnectorError('hive_part_repeated', `the key has more than one part ${name}=...`, {
    column: name,
    hint: `Rename one of them in ${key}, or remove ${name} from hive_columns.`,
  });
}

function badValue(key: string, name: string): ConnectorError {
  return new ConnectorError(
    'bad_hive_value',
    `the key's part ${name}=... must be UTF-8, without line breaks and NUL characters`,
    { column: name, hint: `Rename the object ${key}, or remove ${name} from hive_columns.` },
  );
}

function noHiveColumn(name: string, wanted: string, table: TargetTable): ConnectorError {
  return new ConnectorError(
    'no_hive_column',
    `${wanted}, for the key's part ${name}=..., is not a column of ${quoteTable(table)}`,
    {
      column: name,
      hint: `Add it to the table, map ${name} to another column in column_mappings, or remove it from hive_columns.`,
    },
  );
}
