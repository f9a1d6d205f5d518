/** Finds the columns of a file that say what becomes of its rows: change_column and sequence_column. */
import type { ColumnMapping, Connector, ReadConnector } from '../db/schema.ts';
import { ConnectorError } from '../errors.ts';
import type { CopyPlan, FileColumn } from '../formats/format.ts';
import { lineageColumns } from './lineage.ts';
import { type MatchedPart, type MatchSource, matchColumns } from './match.ts';
import { findExactly } from './match_keys.ts';
import { findNamed, truncateName } from './names.ts';
import { showName, showNames } from './show_name.ts';
import { plainColumn, type TableColumn, type TargetTable } from './table.ts';

type ChangeSettings = MatchSource['connector'] &
  Pick<Connector, 'change_column' | 'sequence_column' | 'change_values'> &
  Pick<ReadConnector, 'hive_columns'>;

interface ChangeSource extends MatchSource {
  connector: ChangeSettings;
}

/** A part, with the types of its columns where they are asked for. */
interface PlannedPart extends MatchedPart {
  inferColumns(): Promise<FileColumn[] | null>;
}

/** A column of the file that the connector names. */
interface Named {
  /** As in the connector. */
  name: string;
  /** Position in the file, from 0; -1 if the file has no such column. */
  position: number;
}

/**
 * Returns which columns of the file go into which columns of the table. For a connector with a change_column, the plan also has that
 * column and the sequence_column, which may not be columns of the table.
 * @throws ConnectorError the errors of `matchColumns`; `no_change_column`, `no_sequence_column`, `sequence_type_unknown`
 */
export async function planColumns(
  part: PlannedPart,
  table: TargetTable,
  source: ChangeSource,
): Promise<CopyPlan> {
  const { connector } = source;
  if (connector.change_column === null) return matchColumns(part, table, source);
  const change = find(part, connector, connector.change_column);
  // DMS writes a full load without the column.
  if (change.position === -1 && connector.change_values !== 'dms') throw noChangeColumn(change, part);
  const sequence =
    connector.sequence_column === null ? null : find(part, connector, connector.sequence_column);
  if (sequence?.position === -1 && change.position !== -1) throw noSequenceColumn(sequence, part);
  const columns = [
    await columnFor(change, part, table, source, 'text'),
    sequence && (await columnFor(sequence, part, table, source, null)),
  ] as const;
  const mappings = source.mappings.filter(
    ({ source_column, target_column }) => target_column !== null || !isNamed(source_column, connector),
  );
  const extended = { ...table, columns: withColumns(part, table, source, [change, sequence], columns) };
  const plan = matchColumns(part, extended, { ...source, mappings });
  const filled = (column: TableColumn | null) =>
    column && [...plan.columns, ...plan.computed].some(({ target }) => target === column) ? column : null;
  const changes = { change: filled(columns[0]), sequence: filled(columns[1]) };
  // Never take a delete for an insert.
  if (change.position !== -1 && changes.change === null) throw noChangeColumn(change, part);
  return { ...plan, changes };
}

function byPosition(part: PlannedPart, { match_columns_by }: ChangeSettings): boolean {
  return part.columnNames === null || match_columns_by === 'position';
}

function find(part: PlannedPart, connector: ChangeSettings, name: string): Named {
  if (!byPosition(part, connector)) return { name, position: part.columnNames!.indexOf(name) };
  const position = /^[1-9]\d*$/.test(name) ? Number(name) - 1 : -1;
  return { name, position };
}

/** Returns whether the connector names a column of the file in change_column or sequence_column. */
export function isNamed(
  column: string | null,
  { change_column, sequence_column }: Pick<Connector, 'change_column' | 'sequence_column'>,
): boolean {
  return column !== null && (column === change_column || column === sequence_column);
}

/** Returns the table's column for a named one; one for the staging table alone if the table has none. */
async function columnFor(
  { name, position }: Named,
  part: PlannedPart,
  table: TargetTable,
  { connector, mappings }: ChangeSource,
  type: string | null,
): Promise<TableColumn> {
  const mapping = mappings.find(({ source_column }) => source_column === name);
  const wanted = mapping?.target_column ?? name;
  const find = part.namesKeys ? findExactly : findNamed;
  const own = byPosition(part, connector) ? undefined : find(table.columns, wanted);
  if (own) return own;
  const known = type ?? (await sequenceType(part, { name, position }, mapping));
  const taken = table.columns.some((column) => column.name === truncateName(wanted));
  const unique = taken ? `s3_connector ${truncateName(wanted, 40)}` : truncateName(wanted);
  // It is never missing.
  return { ...plainColumn(unique, known, known), hasDefault: true };
}

/** Types by which a sequence is never compared by mistake. Whole numbers may be larger in the next file. */
const ORDERED: Record<string, string> = {
  smallint: 'numeric',
  integer: 'numeric',
  bigint: 'numeric',
  numeric: 'numeric',
};

/** Types whose order says nothing about time. */
const UNORDERED = /^(text|uuid|boolean|jsonb?)$|\[\]$/;

async function sequenceType(
  part: PlannedPart,
  { name, position }: Named,
  mapping: ColumnMapping | undefined,
): Promise<string> {
  if (mapping?.data_type) return mapping.data_type;
  if (position === -1) return 'text';
  const columns = await part.inferColumns();
  // After a look at all rows, the position may be another one.
  const column = part.namesKeys ? columns?.find((one) => one.name === name) : columns?.[position];
  const inferred = column?.type;
  // A part without rows.
  if (inferred === undefined) return 'text';
  // Only the expression has the type of what it computes.
  if (!UNORDERED.test(inferred) && !mapping?.expression) return ORDERED[inferred] ?? inferred;
  throw new ConnectorError(
    'sequence_type_unknown',
    `the values of sequence_column ${showName(name)} are ${mapping?.expression ? 'computed' : 'neither numbers nor times'}, so it is not known how to compare them`,
    {
      column: name,
      hint: 'Give its type in column_mappings: source_column and target_column are its name, data_type is for example pg_lsn, or text to compare texts. Or add the column to the table.',
    },
  );
}

/** Returns the table's columns with the named ones: by position, where the file has them. */
function withColumns(
  part: PlannedPart,
  table: TargetTable,
  { connector }: ChangeSource,
  named: readonly (Named | null)[],
  columns: readonly (TableColumn | null)[],
): TableColumn[] {
  const added = columns.filter(
    (column) => column !== null && !table.columns.includes(column),
  ) as TableColumn[];
  if (!byPosition(part, connector)) return [...table.columns, ...added];
  const ours = [...lineageColumns(connector).map(({ name }) => name), ...(connector.hive_columns ?? [])];
  const isConstant = ({ name }: TableColumn) => ours.includes(name);
  const fillable = table.columns.filter((column) => column.insertable && !isConstant(column));
  const all = part.columnCount === fillable.length + added.length;
  const ordered = fillable.filter((column) => all || !column.identityAlways);
  const places = named
    .flatMap((one, i) => (one && columns[i] ? [{ position: one.position, column: columns[i] }] : []))
    .sort((a, b) => a.position - b.position);
  for (const { position, column } of places) ordered.splice(position, 0, column);
  return [...ordered, ...table.columns.filter((column) => isConstant(column) || !column.insertable)];
}

function noChangeColumn(column: Named, part: PlannedPart): ConnectorError {
  return new ConnectorError('no_change_column', lacks(column, 'change_column'), {
    column: column.name,
    hint: hintOf(part, 'change_column'),
  });
}

function noSequenceColumn(column: Named, part: PlannedPart): ConnectorError {
  return new ConnectorError('no_sequence_column', lacks(column, 'sequence_column'), {
    column: column.name,
    hint: hintOf(part, 'sequence_column'),
  });
}

function lacks({ name }: Named, setting: string): string {
  return `the file has no column ${showName(name)}, which ${setting} names`;
}

function hintOf(part: PlannedPart, setting: string): string {
  return part.columnNames === null
    ? `The file has ${part.columnCount} columns without names: pause the connector and set ${setting} to a position, such as 1.`
    : `The file has ${showNames(part.columnNames)}. Pause the connector and set ${setting}, or leave the file out with s3_connector.cancel_file(name, key).`;
}
