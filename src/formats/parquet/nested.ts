/** SQL expressions that turn nested DuckDB values (lists, structs, maps, variants) into JSON text. */
import { quoteText } from '../duckdb_quote.ts';
import { listElement } from './types.ts';

/**
 * Types whose values are JSON already. Inside other types, DuckDB's to_json turns their numbers into doubles, or each
 * value into one string.
 */
export const HOLDS_JSON = /\b(JSON|VARIANT)\b/;

/** Returns an expression for a nested value's JSON text; null stays null. */
export function jsonText(value: string, type: string, depth = 0): string {
  if (type === 'JSON') return `cast(${value} as varchar)`;
  // A cast would turn an SQL null into JSON's null.
  if (type === 'VARIANT')
    return `case when ${value} is not null then cast(cast(${value} as json) as varchar) end`;
  if (HOLDS_JSON.test(type)) {
    const composed = composedText(value, type, depth);
    if (composed !== null) return `case when ${value} is not null then ${composed} end`;
  }
  const text = `cast(to_json(${value}) as varchar)`;
  // to_json writes a bare NaN, which is not JSON. Few rows have one, so only those pay for the composition.
  if (!HOLDS_FLOATS.test(type) || levelsOf(type) > LEVELS_COMPOSED) return text;
  const composed = isFloat(type) ? floatText(value) : composedText(value, type, depth);
  if (composed === null) return text;
  // Within a composition the outer row is known to have one.
  if (depth > 0) return isFloat(type) ? composed : `case when ${value} is not null then ${composed} end`;
  return `case when contains(${text}, 'NaN') or contains(${text}, 'Infinity') then ${composed} else ${text} end`;
}

const HOLDS_FLOATS = /\b(FLOAT|DOUBLE)\b/;
const isFloat = (type: string) => type === 'FLOAT' || type === 'DOUBLE';

/** Returns an expression for a float as JSON. NaN and infinity are strings, as PostgreSQL's to_json writes them. */
function floatText(value: string): string {
  const word = `case when isnan(${value}) then '"NaN"' when ${value} > 0 then '"Infinity"' else '"-Infinity"' end`;
  return `case when isfinite(${value}) then cast(to_json(${value}) as varchar) when ${value} is not null then ${word} end`;
}

/** If we compose the JSON ourselves, 10,000 rows take a second at 8 levels of lists and maps, half a minute at 12. */
export const LEVELS_COMPOSED = 8;

/** Returns null for a type that it does not know. */
function composedText(value: string, type: string, depth: number): string | null {
  const item = `e${depth}`;
  const inner = (inside: string, innerType: string) =>
    `coalesce(${jsonText(inside, innerType, depth + 1)}, 'null')`;
  const joined = (items: string, text: string) =>
    `array_to_string(list_transform(${items}, lambda ${item}: ${text}), ',')`;
  const element = listElement(type);
  if (element !== null) return `'[' || ${joined(value, inner(item, element))} || ']'`;
  const [, kind, body] = /^(STRUCT|MAP)\((.*)\)$/s.exec(type) ?? [];
  const parts = splitTypes(body ?? '');
  if (kind === 'MAP') {
    const key = `cast(to_json(cast(${item}.key as varchar)) as varchar)`;
    return `'{' || ${joined(`map_entries(${value})`, `${key} || ':' || ${inner(`${item}.value`, parts[1]!)}`)} || '}'`;
  }
  const fields = parts.map((part) => {
    const [, quoted, bare, fieldType] = /^(?:"((?:[^"]|"")*)"|(\w+)) (.*)$/s.exec(part) ?? [];
    return fieldType === undefined ? null : { name: quoted?.replaceAll('""', '"') ?? bare!, fieldType };
  });
  if (kind !== 'STRUCT' || !fields.every((field) => field !== null)) return null;
  const texts = fields.map(
    ({ name, fieldType }) =>
      `${quoteText(`${JSON.stringify(name)}:`)} || ${inner(`struct_extract(${value}, ${quoteText(name)})`, fieldType)}`,
  );
  return `'{' || ${texts.join(" || ',' || ")} || '}'`;
}

/** Splits at the commas outside of quotes and parentheses. */
function splitTypes(list: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let quote = '';
  let start = 0;
  for (let at = 0; at < list.length; at++) {
    const char = list[at]!;
    if (quote !== '') quote = char === quote ? '' : quote;
    else if (char === '"' || char === "'") quote = char;
    else if (char === '(') depth++;
    else if (char === ')') depth--;
    else if (char === ',' && depth === 0) {
      parts.push(list.slice(start, at).trim());
      start = at + 1;
    }
  }
  return [...parts, list.slice(start).trim()];
}

/** The tokens of a type's text that levelsOf needs. Quoted names and enum values are skipped as one token. */
const TOKENS = /"(?:[^"]|"")*"|'(?:[^']|'')*'|MAP\(|\(|\)|,|\[\d*\]/g;

/** Returns how deep lists and maps are nested in a type. */
export function levelsOf(type: string): number {
  /** For each open parenthesis: its own level, and the deepest of the types in it. */
  const open: { own: number; most: number }[] = [];
  /** The levels of the type that was read last. */
  let levels = 0;
  for (const [token] of type.matchAll(TOKENS)) {
    if (token.startsWith('[')) levels += 1;
    else if (token.endsWith('(')) {
      open.push({ own: token === '(' ? 0 : 1, most: 0 });
      levels = 0;
    } else if (token === ',' || token === ')') {
      const group = open.at(-1) ?? { own: 0, most: 0 };
      group.most = Math.max(group.most, levels);
      levels = 0;
      if (token === ')') levels = group.own + (open.pop() ?? group).most;
    }
  }
  return levels;
}
