/** Finds the fields of a record: ranges of its bytes, by the key tree. */
import {
  CLOSE_ARRAY,
  CLOSE_OBJECT,
  COLON,
  COMMA,
  OPEN_ARRAY,
  OPEN_OBJECT,
  QUOTE,
  Scanner,
  STOPPED,
} from './scanner.ts';
import type { KeyNode, KeyTree } from './tree.ts';
import { unescapeString } from './unescape.ts';

/** What a field is in the current record. */
export const ABSENT = 0;
export const NULL = 1;
/** A string without escapes; its range is without the quotes. */
export const STRING = 2;
/** A string with escapes; its range is without the quotes. */
export const ESCAPED = 3;
/** A number, `true` or `false`. */
export const SCALAR = 4;
export const OBJECT = 5;
export const ARRAY = 6;

const N = 0x6e;
/** For so many keys of an object, their order is remembered. */
const MAX_ORDER = 1000;

export class RecordReader extends Scanner {
  readonly tree: KeyTree;
  /** By field: its kind, and where it is. */
  kinds: Uint8Array;
  starts: Uint32Array;
  ends: Uint32Array;
  /** The first key of the record that is not in the tree, or the last one that is late. */
  unknownKey: string | null = null;
  isLate = false;
  #record = 0;

  constructor(tree: KeyTree) {
    super();
    this.tree = tree;
    const fields = Math.max(tree.names.length, 16);
    this.kinds = new Uint8Array(fields);
    this.starts = new Uint32Array(fields);
    this.ends = new Uint32Array(fields);
  }

  /** Reads the record whose opening brace is at `start`; returns its end. */
  read(start: number): number {
    const { root } = this.tree;
    this.kinds.fill(ABSENT);
    this.unknownKey = null;
    this.isLate = false;
    this.#record++;
    const end = this.#object(root, start + 1);
    if (end === STOPPED) return STOPPED;
    if (root.field >= 0) this.#set(root.field, OBJECT, start, end);
    for (const { field, of } of this.tree.copies)
      this.#set(field, this.kinds[of]!, this.starts[of]!, this.ends[of]!);
    return end;
  }

  #set(field: number, kind: number, start: number, end: number): void {
    if (field >= this.kinds.length) this.#grow(field);
    this.kinds[field] = kind;
    this.starts[field] = start;
    this.ends[field] = end;
  }

  #object(node: KeyNode, start: number): number {
    const bytes = this.bytes;
    const { order } = node;
    let at = this.space(start);
    if (bytes[at] === CLOSE_OBJECT) return at + 1;
    for (let i = 0; ; i++) {
      if (bytes[at] !== QUOTE) return this.expected(at, 'a key in quotes');
      let child = order[i] as KeyNode | null | undefined;
      if (child && this.#startsWith(child.raw, at + 1)) {
        at += 1 + child.raw.length;
      } else {
        const end = this.string(at + 1);
        if (end === STOPPED) return STOPPED;
        child = this.#find(node, at + 1, end - 1);
        // Bytes with escapes are not those of the node.
        if (i < MAX_ORDER) order[i] = this.escaped ? null : child;
        at = end;
      }
      // Nearly always there is no white space before the colon.
      at = bytes[at] === COLON ? this.space(at + 1) : this.colon(at);
      if (at === STOPPED) return STOPPED;
      at = child === null ? this.value(at) : this.#field(child, at);
      if (at === STOPPED) return STOPPED;
      at = this.space(at);
      if (bytes[at] === CLOSE_OBJECT) return at + 1;
      if (bytes[at] !== COMMA) return this.expected(at, 'a comma or }');
      at = this.space(at + 1);
    }
  }

  #array(items: Map<number, KeyNode>, start: number): number {
    const bytes = this.bytes;
    let at = this.space(start);
    if (bytes[at] === CLOSE_ARRAY) return at + 1;
    for (let position = 0; ; position++) {
      const child = items.get(position);
      at = child ? this.#field(child, at) : this.value(at);
      if (at === STOPPED) return STOPPED;
      at = this.space(at);
      if (bytes[at] === CLOSE_ARRAY) return at + 1;
      if (bytes[at] !== COMMA) return this.expected(at, 'a comma or ]');
      at = this.space(at + 1);
    }
  }

  /** Reads a value of the tree; returns its end. */
  #field(node: KeyNode, start: number): number {
    // Of a key that comes twice, the last value counts.
    if (node.record === this.#record) this.#forget(node);
    node.record = this.#record;
    const byte = this.bytes[start];
    let kind: number;
    let end: number;
    if (byte === QUOTE) {
      end = this.string(start + 1);
      if (end === STOPPED) return STOPPED;
      if (node.field >= 0) this.#set(node.field, this.escaped ? ESCAPED : STRING, start + 1, end - 1);
      return end;
    }
    if (byte === OPEN_OBJECT) {
      kind = OBJECT;
      end = node.keys ? this.#object(node, start + 1) : this.value(start);
    } else if (byte === OPEN_ARRAY) {
      kind = ARRAY;
      end = node.items ? this.#array(node.items, start + 1) : this.value(start);
    } else {
      kind = byte === N ? NULL : SCALAR;
      end = this.scalar(start);
    }
    if (end !== STOPPED && node.field >= 0) this.#set(node.field, kind, start, end);
    return end;
  }

  #startsWith(raw: Uint8Array, at: number): boolean {
    const bytes = this.bytes;
    for (let i = 0; i < raw.length; i++) if (bytes[at + i] !== raw[i]) return false;
    return true;
  }

  #find(node: KeyNode, start: number, end: number): KeyNode | null {
    const raw = Buffer.from(this.bytes.buffer, this.bytes.byteOffset + start, end - start);
    const key = this.escaped ? unescapeString(raw) : raw;
    const keys = node.keys as Map<string, KeyNode | null>;
    const id = key.toString('latin1');
    const found = keys.get(id);
    const child = found === undefined ? this.tree.add(node, Buffer.from(key)) : found;
    if (child === null && node === this.tree.root) this.#noteUnknown(key, id);
    return child;
  }

  #noteUnknown(key: Buffer, id: string): void {
    if (this.tree.late.has(id)) {
      this.isLate = true;
      this.unknownKey = key.toString();
    } else this.unknownKey ??= key.toString();
  }

  #forget(node: KeyNode): void {
    if (node.field >= 0) this.kinds[node.field] = ABSENT;
    for (const child of node.keys?.values() ?? []) if (child) this.#forget(child);
    for (const child of node.items?.values() ?? []) this.#forget(child);
  }

  #grow(field: number): void {
    const size = 2 * field + 16;
    const grown = <List extends Uint8Array | Uint32Array>(to: List, from: List): List => {
      to.set(from);
      return to;
    };
    this.kinds = grown(new Uint8Array(size), this.kinds);
    this.starts = grown(new Uint32Array(size), this.starts);
    this.ends = grown(new Uint32Array(size), this.ends);
  }
}
