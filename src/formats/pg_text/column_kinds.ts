/**
 * "Inference": finds the narrowest PostgreSQL type that keeps every value of a column. A format gives the values of its records as
 * text (`value`, `setNull`), and then says whether the record counts (`endRecord`). `columns` returns for each column its type, and
 * the value that decided it.
 */
import { joinKinds, TEXT, textKindOf, typeOf, UNKNOWN } from './text_kinds.ts';
import { TYPE_RULES } from './type_rules.ts';

/** What is known about a column from its values. */
export interface ColumnGuess {
  /** The PostgreSQL type that keeps every value of the column, with DateStyle ISO. */
  type: string;
  nullable: boolean;
  /** The number of the kind that all values have: finer than the type. UNKNOWN if there is no value. */
  kind: number;
  /** The first value, and each one that made the type wider; the last decided it. */
  decisions: Decision[];
}

/** A value that made its column's type wider, or that was the first. */
export interface Decision {
  line: number;
  /** The kind of the value. */
  kind: number;
  /** At most SHOWN_BYTES of it. */
  value: string;
  /** The kind that the column had before it; UNKNOWN for the first value. */
  narrower: number;
}

/** How much of a value is kept, to show it. */
const SHOWN_BYTES = 60;

export class ColumnKinds {
  /** Each column's kind so far, and whether it has a null; null until the number of columns is known. */
  #kinds: Uint8Array | null;
  #nulls: Uint8Array;
  /** The kinds of the current record's values. */
  #record: Uint8Array;
  readonly #decisions = new Map<number, Decision[]>();
  /** The values of the current record that would make a column wider. Few: a column widens only some times. */
  #deciding: { position: number; kind: number; value: string }[] = [];

  /** @param count null: the first record that counts decides */
  constructor(count: number | null) {
    this.#kinds = count === null ? null : new Uint8Array(count);
    this.#nulls = new Uint8Array(count ?? 0);
    this.#record = new Uint8Array(count ?? 16);
  }

  /** The number of columns; null until it is known. */
  get count(): number | null {
    return this.#kinds?.length ?? null;
  }

  /** Takes a value of the current record that is not null. */
  value(position: number, bytes: Buffer, start: number, end: number): void {
    const known = this.#kinds?.[position] ?? UNKNOWN;
    const kind = textKindOf(bytes, start, end, known);
    if (joinKinds(known, kind) !== known) this.#decide(position, kind, bytes.subarray(start, end));
    this.#set(position, kind);
  }

  /** Takes a value that is text, even if it looks like a number or a time. */
  text(position: number, bytes: Buffer, start: number, end: number): void {
    if (this.#kinds?.[position] !== TEXT) this.#decide(position, TEXT, bytes.subarray(start, end));
    this.#set(position, TEXT);
  }

  setNull(position: number): void {
    this.#set(position, UNKNOWN);
  }

  /**
   * Ends the current record, which had so many values, at positions from 0. A record that does not count, or has another number
   * of values than the columns, changes nothing.
   */
  endRecord(count: number, line: number, counts: boolean): void {
    const deciding = this.#deciding;
    if (deciding.length > 0) this.#deciding = [];
    if (this.#kinds === null) {
      this.#kinds = new Uint8Array(count);
      this.#nulls = new Uint8Array(count);
    }
    const kinds = this.#kinds;
    if (!counts || count !== kinds.length) return;
    for (const { position, kind, value } of deciding) {
      const decisions = this.#decisions.get(position) ?? [];
      this.#decisions.set(position, decisions);
      decisions.push({ line, kind, value, narrower: kinds[position] as number });
    }
    for (let position = 0; position < count; position++) {
      const kind = this.#record[position] as number;
      if (kind === UNKNOWN) this.#nulls[position] = 1;
      kinds[position] = joinKinds(kinds[position] as number, kind);
    }
  }

  columns(): ColumnGuess[] {
    return Array.from(this.#kinds ?? [], (kind, position) => ({
      type: typeOf(kind),
      nullable: kind === UNKNOWN || this.#nulls[position] === 1,
      kind,
      decisions: this.#decisions.get(position) ?? [],
    }));
  }

  #set(position: number, kind: number): void {
    if (position >= this.#record.length) {
      // max_row_bytes limits their number.
      const record = new Uint8Array(2 * position + 2);
      record.set(this.#record);
      this.#record = record;
    }
    this.#record[position] = kind;
  }

  #decide(position: number, kind: number, bytes: Buffer): void {
    const value = bytes.toString('utf8', 0, SHOWN_BYTES);
    this.#deciding.push({ position, kind, value: bytes.length > SHOWN_BYTES ? `${value}...` : value });
  }
}

/** Whether a type of the kind takes the value, but not its plus sign or its leading zeros. */
export function losesDigits(value: string, kind: number): boolean {
  const isNumber = ['bigint', 'double precision', 'numeric'].includes(typeOf(kind));
  return isNumber && (PLUS_SIGN.test(value) || LEADING_ZEROS.test(value));
}

const PLUS_SIGN = /^\+[\d.]+$/;
const LEADING_ZEROS = /^-?0\d+(\.\d*)?$/;

/** Returns why a value does not go into a column of a narrower kind without a loss, for a message: `"007" would lose its zeros as bigint`. */
export function whyWider(value: string, narrower: number, wider: number): string {
  const shown = `"${value}"`;
  const type = TYPE_RULES[narrower - 1]?.kind === 'not a number' ? 'number' : typeOf(narrower);
  const isNumber = ['bigint', 'double precision', 'numeric', 'number'].includes(type);
  if (isNumber && PLUS_SIGN.test(value)) return `${shown} would lose its plus sign as ${type}`;
  if (isNumber && LEADING_ZEROS.test(value)) return `${shown} would lose its zeros as ${type}`;
  if (isNumber && TYPE_RULES[wider - 1]) return whyWiderNumber(shown, value, type, wider);
  if (type === 'date' && typeOf(wider) === 'timestamptz') return `${shown} has a time, which date would lose`;
  return `${shown} is no ${type}`;
}

function whyWiderNumber(shown: string, value: string, type: string, wider: number): string {
  if (/^-0*(\.0*)?$/.test(value) && TYPE_RULES[wider - 1]!.kind === 'negative zero')
    return `${shown} would lose its sign as ${type}`;
  if (/^-?\d+$/.test(value)) return `${shown} has more digits than ${type} holds`;
  if (type === 'bigint' && /\./.test(value)) return `${shown} has a fraction, which bigint would lose`;
  if (TYPE_RULES[wider - 1]!.kind === 'fixed decimal') return `${shown} would lose its zeros as ${type}`;
  return type === 'bigint' ? `${shown} is no bigint` : `${shown} has more digits than ${type} keeps`;
}
