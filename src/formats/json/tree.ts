/** The "key tree": which keys of a record, at any depth, are which fields. */
import { nameOfKey, stepsOf } from './path.ts';
import type { JsonPlan } from './plan.ts';

export interface KeyNode {
  /** The key's bytes, and after them its closing quote. */
  readonly raw: Uint8Array;
  /** The field that this value is; -1: none. */
  field: number;
  /** By the key's bytes as latin1; null if no field is within an object here. */
  keys: Map<string, KeyNode | null> | null;
  /** By position; null if no field is within an array here. */
  items: Map<number, KeyNode> | null;
  /** In which order the last object had its keys. */
  order: (KeyNode | null)[];
  /** The record that had it last. */
  record: number;
}

const QUOTE = 0x22;
/** So many unknown keys are remembered: records may use values as keys. */
const MAX_UNKNOWN = 10_000;
/** So many fields are found in records: more than a table can have columns. */
const MAX_FIELDS = 10_000;

export class KeyTree {
  readonly root: KeyNode = newNode(Buffer.alloc(0));
  /** The source columns, by field. */
  readonly names: string[] = [];
  /** Fields that are the value of an earlier field, by another name of it: `id` and `$.id`. */
  readonly copies: { field: number; of: number }[] = [];
  /** Keys of the record, as latin1, that must not come although they are not in the tree. */
  readonly late = new Set<string>();
  /** Whether a key of the record that is not in the tree becomes a field. */
  readonly #grows: boolean;
  #unknown = 0;

  /** @param grows whether each key of the records becomes a field */
  constructor(names: string[], grows = false) {
    this.#grows = grows;
    for (const name of names) {
      let node = this.root;
      for (const step of stepsOf(name)) node = childOf(node, step);
      const field = this.names.push(name) - 1;
      if (node.field >= 0) this.copies.push({ field, of: node.field });
      else node.field = field;
    }
    this.root.keys ??= new Map();
  }

  /** Adds a key of the record that is no field. */
  know(key: string): void {
    childOf(this.root, key);
  }

  /** Returns the node for a key that is not in the map; null: it is unknown. */
  add(parent: KeyNode, key: Buffer): KeyNode | null {
    const map = parent.keys as Map<string, KeyNode | null>;
    const id = key.toString('latin1');
    if (this.#grows && parent === this.root && this.names.length < MAX_FIELDS) {
      const node = newNode(key);
      node.field = this.names.length;
      this.names.push(nameOfKey(key.toString()));
      map.set(id, node);
      return node;
    }
    if (this.#unknown++ < MAX_UNKNOWN) map.set(id, null);
    return null;
  }
}

function newNode(key: Buffer): KeyNode {
  return {
    raw: Buffer.concat([key, Buffer.of(QUOTE)]),
    field: -1,
    keys: null,
    items: null,
    order: [],
    record: -1,
  };
}

function childOf(node: KeyNode, step: string | number): KeyNode {
  if (typeof step === 'number') {
    node.items ??= new Map();
    return addTo(node.items, step, Buffer.alloc(0));
  }
  const key = Buffer.from(step);
  node.keys ??= new Map();
  return addTo(node.keys, key.toString('latin1'), key);
}

function addTo<Key>(map: Map<Key, KeyNode | null>, id: Key, key: Buffer): KeyNode {
  const found = map.get(id);
  if (found) return found;
  const node = newNode(key);
  map.set(id, node);
  return node;
}

/** Returns the tree of a plan. */
export function newTree({ names, known, late }: Pick<JsonPlan, 'names' | 'known' | 'late'>): KeyTree {
  const tree = new KeyTree(names);
  for (const key of known) tree.know(key);
  for (const name of late) tree.late.add(Buffer.from(String(stepsOf(name)[0])).toString('latin1'));
  return tree;
}
