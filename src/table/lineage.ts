/** "Lineage": the columns of a table that say from which file a row came, and from which line of it. */
import pg from 'pg';
import type { Connector, File } from '../db/schema.ts';
import { ConnectorError } from '../errors.ts';
import type { ConstantColumn } from '../formats/constants.ts';
import { copyEncodingOf } from '../formats/csv/encoding.ts';
import { type EncodingOptions, scannableEncoding } from '../formats/csv/options.ts';
import type { ComputedColumn } from '../formats/format.ts';
import { findNamed, truncateName } from './names.ts';
import { showName } from './show_name.ts';
import { quoteTable, type TableColumn, type TargetTable } from './table.ts';

export type LineageSettings = Pick<Connector, 'file_id_column' | 'file_key_column' | 'line_column'>;

/** The connector's columns that name a column of lineage: its type in a new table, and the error if the table lacks it. */
const SETTINGS = {
  file_id_column: { type: 'bigint', code: 'no_file_id_column' },
  file_key_column: { type: 'text', code: 'no_file_key_column' },
  line_column: { type: 'bigint', code: 'no_line_column' },
} as const;
type Setting = keyof typeof SETTINGS;

/** Returns the names and types of the lineage that a connector wants. */
export function lineageColumns(
  settings: LineageSettings,
): { setting: Setting; name: string; type: string }[] {
  return (Object.keys(SETTINGS) as Setting[]).flatMap((setting) => {
    const name = settings[setting];
    return name === null ? [] : [{ setting, name, type: SETTINGS[setting].type }];
  });
}

/** The columns of a table that get the lineage of a file's rows. */
export interface Lineage {
  /** All of them, with the setting that names each. */
  targets: { setting: Setting; target: TableColumn }[];
  constants: ConstantColumn[];
  /** The key, if it cannot be written into the file's own rows. */
  computed: ComputedColumn[];
  line: TableColumn | null;
}

/**
 * Finds the columns of the lineage.
 * @throws ConnectorError `no_file_id_column`, `no_file_key_column`, `no_line_column`
 */
export function matchLineage(
  table: TargetTable,
  settings: LineageSettings & { format: EncodingOptions },
  file: Pick<File, 'id' | 'key'>,
): Lineage {
  const targets = lineageColumns(settings).map(({ setting, name, type }) => {
    const target = table.columns.find((column) => column.name === truncateName(name));
    if (target) return { setting, target };
    const { code } = SETTINGS[setting];
    throw new ConnectorError(code, `${setting} ${name} is not a column of ${quoteTable(table)}`, {
      hint: `Run: alter table ${quoteTable(table)} add column ${pg.escapeIdentifier(name)} ${type};`,
    });
  });
  const lineage: Lineage = { targets, constants: [], computed: [], line: null };
  for (const { setting, target } of targets) {
    if (setting === 'line_column') lineage.line = target;
    else if (setting === 'file_id_column')
      lineage.constants.push({ source: null, target, value: String(file.id) });
    else if (isWritable(file.key, settings.format))
      lineage.constants.push({ source: null, target, value: file.key });
    else lineage.computed.push({ target, expression: 'value', isOwn: false, value: { text: file.key } });
  }
  return lineage;
}

/** Refuses a column of the file that would go into a column of the lineage. */
export function refuseLineage(columns: { name: string; wanted: string }[], { targets }: Lineage): void {
  for (const { name, wanted } of columns) {
    const target = findNamed(
      targets.map((column) => column.target),
      wanted,
    );
    if (target === undefined) continue;
    const { setting } = targets.find((column) => column.target === target)!;
    throw new ConnectorError(
      'duplicate_column',
      `the file's column ${showName(name)} and ${setting} both go into column ${showName(target.name)}`,
      {
        hint: `Leave the file's column out with a row in column_mappings whose target_column is null, or set ${setting} to another column.`,
      },
    );
  }
}

/** Whether a key can stand in a row of a CSV: in its encoding, and without a line end, which would be counted. */
function isWritable(key: string, format: EncodingOptions): boolean {
  if (/[\r\n]/.test(key)) return false;
  const isAscii = Buffer.byteLength(key) === key.length;
  return isAscii || copyEncodingOf(scannableEncoding(format)) === 'UTF8';
}
