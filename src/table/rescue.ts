/** Finds the "rescue column" of a table, which gets what the table has no place for. */
import pg from 'pg';
import type { Connector } from '../db/schema.ts';
import { ConnectorError } from '../errors.ts';
import type { RescuePlan } from '../formats/format.ts';
import { stepsOf } from '../formats/json/path.ts';
import type { MatchedKeys } from './match_keys.ts';
import { truncateName } from './names.ts';
import { quoteTable, type TableColumn, type TargetTable } from './table.ts';

type RescueSettings = Pick<Connector, 'on_unknown_column' | 'on_type_mismatch' | 'rescue_column'>;

/**
 * Returns the rescue column; null if the connector rescues nothing.
 * @throws ConnectorError `no_rescue_column`
 */
export function rescueTarget(table: TargetTable, settings: RescueSettings): TableColumn | null {
  const { on_unknown_column, on_type_mismatch, rescue_column: name } = settings;
  if (name === null || (on_unknown_column !== 'rescue' && on_type_mismatch !== 'rescue')) return null;
  const target = table.columns.find((column) => column.name === truncateName(name));
  if (target?.baseType === 'jsonb' && target.insertable) return target;
  const quoted = pg.escapeIdentifier(name);
  throw new ConnectorError(
    'no_rescue_column',
    target
      ? `rescue_column ${name} of ${quoteTable(table)} must be a jsonb that is not generated (it is ${target.type})`
      : `rescue_column ${name} is not a column of ${quoteTable(table)}`,
    {
      hint: target
        ? 'Name another column in rescue_column, or make it jsonb.'
        : `Run: alter table ${quoteTable(table)} add column ${quoted} jsonb;`,
    },
  );
}

/**
 * Returns the plan to rescue columns that the table lacks. A name that occurs again gets a number: an object has each key once.
 * @param byKey of a part whose rows name their own columns: their records are rescued, without the keys that have a place
 */
export function planRescue(
  target: TableColumn,
  unknown: { position: number; name: string }[],
  { on_unknown_column, on_type_mismatch }: RescueSettings,
  byKey: MatchedKeys | null,
): RescuePlan {
  const taken = new Set<string>();
  const named = unknown.map(({ position, name }) => {
    let unique = name;
    for (let number = 2; taken.has(unique); number++) unique = `${name}_${number}`;
    taken.add(unique);
    return { position, name: unique };
  });
  const record = byKey && on_unknown_column === 'rescue' ? planRecord(byKey) : null;
  return { target, unknown: named, values: on_type_mismatch === 'rescue', ...(record && { record }) };
}

function planRecord({ keys, unknown }: MatchedKeys): RescuePlan['record'] | null {
  const placed = [...keys.names, ...keys.known].map((name) => stepsOf(name)[0]);
  // The whole record has a column already.
  if (placed.includes(undefined)) return null;
  const except = placed.filter((step) => typeof step === 'string');
  return { except: [...new Set(except)], unknown };
}
