/** A "text kind" is the number of a type rule: what a value looks like, or all values of a column do. */
import { LONGEST_TYPED_VALUE, TYPE_RULES } from './type_rules.ts';

/** Only NULLs so far; widens to every other kind. */
export const UNKNOWN = 0;
/** Values of no other kind. */
export const TEXT = TYPE_RULES.length + 1;
const KINDS = TEXT + 1;
const JOINED = joinTable();

/** Returns the kind of a value that is not NULL. Tries the column's own kind first, because it nearly always matches. */
export function textKindOf(bytes: Uint8Array, start: number, end: number, hint: number): number {
  if (hint === TEXT || end - start > LONGEST_TYPED_VALUE || end === start) return TEXT;
  if (hint !== UNKNOWN && TYPE_RULES[hint - 1]?.matches(bytes, start, end)) return hint;
  return TYPE_RULES.findIndex((rule) => rule.matches(bytes, start, end)) + 1 || TEXT;
}

/** Returns the PostgreSQL type of a column with values of a kind. */
export function typeOf(kind: number): string {
  return TYPE_RULES[kind - 1]?.type ?? 'text';
}

/** Returns the first kind that both kinds widen to. */
export function joinKinds(a: number, b: number): number {
  return JOINED[a * KINDS + b] as number;
}

/** Returns for each pair of kinds the first kind that both widen to. */
function joinTable(): Uint8Array {
  const widens = (from: number, to: number): boolean => {
    if (from === to || from === UNKNOWN || to === TEXT) return true;
    const [rule, wider] = [TYPE_RULES[from - 1], TYPE_RULES[to - 1]];
    return rule !== undefined && wider !== undefined && rule.widensTo.includes(wider.kind);
  };
  const table = new Uint8Array(KINDS * KINDS);
  for (let a = 0; a < KINDS; a++) {
    for (let b = 0; b < KINDS; b++) {
      let joined = UNKNOWN;
      while (!(widens(a, joined) && widens(b, joined))) joined++;
      table[a * KINDS + b] = joined;
    }
  }
  return table;
}
