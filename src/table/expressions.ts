/**
 * Writes expressions into statements, and asks PostgreSQL for their types. Within an expression only two names lead to the file:
 * `value`, which is in the expression's own subquery and hides all others, and the table `row`.
 */
import pg from 'pg';
import type { ReadConnector } from '../db/schema.ts';
import { ConnectorError } from '../errors.ts';
import { columnName, columnNames } from '../formats/csv/infer.ts';
import type { ComputedColumn, FilePart } from '../formats/format.ts';
import { isPassingSqlstate, reasonOf, toImportError } from '../sql_errors.ts';
import { keyValue } from './key_columns.ts';
import { shortenNames } from './names.ts';
import { asRole } from './role.ts';
import { showName } from './show_name.ts';

/** A column as expressions see it. */
export interface Field {
  /** Its name in `row`. */
  name: string;
  /** Its PostgreSQL type, qualified for any search_path. */
  type: string;
  /** Its position in the file; a part of the key has its text instead. */
  at: number | { text: string | null };
}

type FieldSource = Pick<FilePart, 'columnNames' | 'columnCount' | 'columnTypes'>;
type FieldSettings = Pick<ReadConnector, 'hive_columns'>;

/** Returns the names by which mappings know a file's columns. */
export function sourceNames({ columnNames: names, columnCount }: FieldSource, width = columnCount): string[] {
  return names ?? Array.from({ length: width }, (_, position) => columnName(position));
}

/**
 * Returns the fields of a part's rows, and the parts of its key. Fields that cannot be read are left out.
 * @param key null: its parts are null
 * @param width the number of fields, if the part has no names
 */
export function fieldsOf(
  part: FieldSource,
  { hive_columns }: FieldSettings,
  key: string | null,
  width = part.columnCount,
): Field[] {
  const names = columnNames(sourceNames(part, width), true);
  const parts = (hive_columns ?? []).filter((name) => !names.includes(name));
  const short = shortenNames([...names, ...parts]);
  const fields = names.flatMap((_, at): Field[] => {
    const type = part.columnTypes ? part.columnTypes[at]! : 'text';
    return type === null ? [] : [{ name: short[at]!, type: qualifyType(type), at }];
  });
  const ofKey = parts.map((name, i): Field => {
    const text = key === null ? null : keyValue(key, name);
    return { name: short[names.length + i]!, type: 'pg_catalog.text', at: { text } };
  });
  return [...fields, ...ofKey];
}

/** Words of SQL's grammar for types. Other types are found on the search_path, where an owner may have one of the same name. */
const TYPE_WORDS =
  /^(bigint|bit|boolean|char|character|dec|decimal|double|float|int|integer|interval|national|nchar|numeric|real|smallint|time|timestamp|varchar)\b/;

/** Without a length, these words mean one character and one bit. Their types' own names mean any length. */
const OF_LENGTH_ONE: [RegExp, string][] = [
  [/^character(?=\[|$)/, 'bpchar'],
  [/^bit(?=\[|$)/, 'bit'],
];

/** Returns a type of PostgreSQL's own, as format_type or we write it, so that it is found on any search_path. */
export function qualifyType(type: string): string {
  const short = OF_LENGTH_ONE.find(([word]) => word.test(type));
  if (short) return `pg_catalog.${type.replace(...short)}`;
  return /^[a-z]\w*(?![\w.])/.test(type) && !TYPE_WORDS.test(type) ? `pg_catalog.${type}` : type;
}

const SOURCE = '"s3_connector source"';
const COMPUTED = '"s3_connector computed"';
const nameOf = (at: number) => `"s3_connector field ${at}"`;
const literal = (text: string | null) =>
  `cast(${text === null ? 'null' : pg.escapeLiteral(text)} as pg_catalog.text)`;

/** What expressions are evaluated over. */
export interface EvaluatedOver {
  /** The statement's columns for fields, by position. */
  columns: Map<number, string>;
  /** Columns that the statement also takes, by the names that `other` gives them. */
  others: string[];
  /** Where these columns are; null: nowhere. */
  from: string | null;
  /** The fields of `row`; null if no expression reads it. */
  row: Field[] | null;
}

export const other = (i: number): string => `${SOURCE}."s3_connector column ${i}"`;
export const computed = (i: number): string => `${COMPUTED}."${i}"`;

/** Returns what follows FROM: the rows, with `row`, and the values of the expressions, which `computed` names. */
export function evaluate(
  expressions: Pick<ComputedColumn, 'expression' | 'value'>[],
  { columns, others, from, row }: EvaluatedOver,
  typeOf: (i: number) => string | null = () => null,
): string {
  const taken = [
    ...[...columns].map(([at, sql]) => `${sql} as ${nameOf(at)}`),
    ...others.map((sql, i) => `${sql} as "s3_connector column ${i}"`),
  ];
  const source = `(select ${taken.join(', ')}${from === null ? '' : ` from ${from}`}) as ${SOURCE}`;
  const fields = row?.map(({ name, at }) => {
    const sql = typeof at === 'number' ? `${SOURCE}.${nameOf(at)}` : literal(at.text);
    return `${sql} as ${pg.escapeIdentifier(name)}`;
  });
  const values = expressions.map(({ expression, value }, i) => {
    const type = typeOf(i);
    const sql = subquery(expression, value);
    return `${type === null ? sql : `cast(${sql} as ${type})`} as "${i}"`;
  });
  const items = [
    source,
    ...(fields ? [`(select ${fields.join(', ')}) as "row"`] : []),
    ...(values.length > 0 ? [`(select ${values.join(', ')}) as ${COMPUTED}`] : []),
  ];
  return items.join(' cross join lateral ');
}

/** The line break ends a comment at the end of the expression. */
function subquery(expression: string, value: ComputedColumn['value']): string {
  const select = `(select (\n${expression}\n)`;
  if (value === null) return `${select})`;
  const field = typeof value === 'number' ? `${SOURCE}.${nameOf(value)}` : literal(value.text);
  return `${select} from (select ${field}) as "s3_connector field" (value))`;
}

/** An expression, with the name of the column that it fills. */
type DescribedExpression = Pick<ComputedColumn, 'expression' | 'value'> & { column: string };

/** The type of an expression's value. */
export interface ValueType {
  oid: number;
  modifier: number;
}

/**
 * Returns the types of expressions over a part's rows. It evaluates none of them.
 * @throws ConnectorError `bad_expression`; PostgreSQL's passing errors
 */
export async function describeExpressions(
  client: pg.ClientBase,
  { owner }: Pick<ReadConnector, 'owner'>,
  expressions: DescribedExpression[],
  { fields, readsRow }: { fields: Field[]; readsRow: boolean },
): Promise<ValueType[]> {
  const columns = new Map<number, string>();
  for (const { at, type } of fields) if (typeof at === 'number') columns.set(at, `cast(null as ${type})`);
  const over = { columns, others: ['null'], from: null, row: readsRow ? fields : null };
  const types: ValueType[] = [];
  // One by one, because an error does not say which of them caused it.
  await asRole(client, owner, async () => {
    for (const expression of expressions) {
      const statement = `select ${COMPUTED}.* from ${evaluate([expression], over)} where false`;
      const found = await client.query(statement).catch((error) => {
        throw explain(error, expression);
      });
      const { dataTypeID: oid, dataTypeModifier: modifier } = found.fields[0]!;
      types.push({ oid, modifier });
    }
  });
  return types;
}

function explain(error: unknown, { column, value }: DescribedExpression): unknown {
  if (!(error instanceof pg.DatabaseError) || isPassingSqlstate(error.code ?? ''))
    return toImportError(error);
  const reads = value === null ? 'This one has no source_column, so it can read row only.' : undefined;
  const hint = [error.hint, 'An expression reads value, and row."name".', reads].filter(Boolean).join(' ');
  return badExpression(column, reasonOf(error), hint, error);
}

export function badExpression(column: string, reason: string, hint: string, cause?: unknown): ConnectorError {
  return new ConnectorError(
    'bad_expression',
    `the expression for column ${showName(column)} cannot be evaluated: ${reason}`,
    {
      hint: `${hint} Pause the connector, update the expression in column_mappings, resume it, then retry the file.`,
      cause,
    },
  );
}
