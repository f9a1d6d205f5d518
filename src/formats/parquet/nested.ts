import { quoteText } from './quote.ts';
import { listElement } from './types.ts';

/** Types whose values are JSON already; inside others DuckDB's to_json would make doubles of their numbers, or one string. */
export const HOLDS_JSON = /\b(JSON|VARIANT)\b/;

/** An expression for the JSON of a nested value, as text; null stays null. */
export function jsonText(value: string, type: string, depth = 0): string {
  if (type === 'JSON') return `cast(${value} as varchar)`;
  // A VARIANT that is null is JSON's null to a cast.
  if (type === 'VARIANT')
    return `case when ${value} is not null then cast(cast(${value} as json) as varchar) end`;
  if (HOLDS_JSON.test(type)) {
    const composed = composedText(value, type, depth);
    if (composed !== null) return `case when ${value} is not null then ${composed} end`;
  }
  return `cast(to_json(${value}) as varchar)`;
}

/** Null for a type that is not understood. */
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

/** Cuts at the commas that are in no quotes and no parentheses. */
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

/** What of a type's text matters to levelsOf. Names, and an enum's values, are in quotes. */
const TOKENS = /"(?:[^"]|"")*"|'(?:[^']|'')*'|MAP\(|\(|\)|,|\[\d*\]/g;

/** How many lists and maps of a type stand within each other, at most. */
export function levelsOf(type: string): number {
  /** Of each parenthesis that is open: its own level, and the most that any type in it has. */
  const open: { own: number; most: number }[] = [];
  /** Of the type that has just been read. */
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
