/**
 * The "kernel" is a WebAssembly module that encodes CSV records. Its source is in kernel/, in AssemblyScript. This file
 * loads it, and writes what it needs into its memory.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../../paths.ts';
import type { ValueKind } from '../../pg_binary/kinds.ts';
import type { DialectBytes } from '../dialect.ts';
import { firstBits } from './powers_of_ten.ts';
import type { EncoderOptions } from './row_encoder.ts';

const FILE = join(packageRoot, 'kernel', 'encoder.wasm');
const PAGES = 26;
const MAX_UINT32 = 0xffffffff;
const WORD = (1n << 64n) - 1n;

/** The kernel's names of kinds. */
const KINDS = {
  smallint: 'INT2',
  integer: 'INT4',
  bigint: 'INT8',
  real: 'FLOAT4',
  'double precision': 'FLOAT8',
  numeric: 'NUMERIC',
  boolean: 'BOOLEAN',
  text: 'TEXT',
  'character varying': 'TEXT',
  character: 'TEXT',
  json: 'TEXT',
  jsonb: 'JSONB',
  enum: 'TEXT',
  uuid: 'UUID',
  bytea: 'BYTEA',
  date: 'DATE',
  'time without time zone': 'TIME',
  'timestamp without time zone': 'TIMESTAMP',
  'timestamp with time zone': 'ZONED',
  'timestamp with time zone, UTC': 'UTC',
} as const satisfies Record<ValueKind, string>;

type Constant =
  | (typeof KINDS)[ValueKind]
  | 'SKIPPED'
  | 'NEEDS_MORE'
  | 'FULL'
  | 'IN_DOUBT'
  | 'NULL_TEXT'
  | 'NULL_TEXT_BYTES'
  | 'CONSTANTS'
  | 'CONSTANTS_BYTES'
  | 'EXACT_POWERS'
  | 'EXACT_POWER'
  | 'POWERS'
  | 'LOWEST_POWER'
  | 'HIGHEST_POWER'
  | 'KINDS'
  | 'KINDS_BYTES'
  | 'INPUT'
  | 'INPUT_BYTES'
  | 'PADDING'
  | 'OUTPUT'
  | 'OUTPUT_BYTES';

/** What kernel/assembly/kernel.ts exports; see there. Addresses are bytes from the start of the memory. */
interface Exports extends Record<Constant, WebAssembly.Global<number>> {
  at: WebAssembly.Global<number>;
  filled: WebAssembly.Global<number>;
  rows: WebAssembly.Global<number>;
  setDialect(delimiter: number, quote: number, escapeByte: number, crlf: number, nullBytes: number): void;
  setRow(fields: number, columns: number, constantsBytes: number, maxRowBytes: number): void;
  encode(start: number, end: number): number;
}

/** The module with its memory, which never grows. */
export class Kernel {
  readonly exports: Exports;
  readonly memory: Buffer;
  /** Where the CSV must be. What follows in the memory may be read, and means nothing. */
  readonly input: Buffer;
  /** What `prepare` was last called for. It changed the memory for all others. */
  user: object | undefined;

  constructor(module: WebAssembly.Module) {
    const memory = new WebAssembly.Memory({ initial: PAGES, maximum: PAGES });
    this.exports = new WebAssembly.Instance(module, { env: { memory } }).exports as Exports;
    this.memory = Buffer.from(memory.buffer);
    const input = this.constant('INPUT');
    this.input = this.memory.subarray(input, input + this.constant('INPUT_BYTES'));
    this.#writePowers();
  }

  constant(name: Constant): number {
    return this.exports[name].value;
  }

  /** Prepares the kernel for records; returns false if its memory has no room for what it must know about them. */
  prepare(user: object, dialect: DialectBytes, options: EncoderOptions): boolean {
    const { kinds, constants, newline, maxRowBytes } = options;
    const { nullText } = dialect;
    const constantBytes = constants?.bytes ?? Buffer.alloc(0);
    if (nullText.length > this.constant('NULL_TEXT_BYTES')) return false;
    if (constantBytes.length > this.constant('CONSTANTS_BYTES')) return false;
    if (kinds.length > this.constant('KINDS_BYTES')) return false;
    this.user = user;
    this.memory.set(nullText, this.constant('NULL_TEXT'));
    this.memory.set(constantBytes, this.constant('CONSTANTS'));
    this.memory.set(
      kinds.map((kind) => this.constant(kind === null ? 'SKIPPED' : KINDS[kind])),
      this.constant('KINDS'),
    );
    const columns = kinds.filter((kind) => kind !== null).length + (constants?.count ?? 0);
    const { delimiter, quote, escape: escapeByte } = dialect;
    const { setDialect, setRow } = this.exports;
    setDialect(delimiter, quote, escapeByte, newline === 'crlf' ? 1 : 0, nullText.length);
    setRow(kinds.length, columns, constantBytes.length, Math.min(maxRowBytes, MAX_UINT32));
    this.reset();
    return true;
  }

  /** Forgets the encoded rows. */
  reset(): void {
    this.exports.filled.value = this.constant('OUTPUT');
    this.exports.rows.value = 0;
  }

  #writePowers(): void {
    const exact = this.constant('EXACT_POWERS');
    for (let power = 0; power <= this.constant('EXACT_POWER'); power++)
      this.memory.writeDoubleLE(10 ** power, exact + 8 * power);
    const lowest = this.constant('LOWEST_POWER');
    for (let power = lowest; power <= this.constant('HIGHEST_POWER'); power++) {
      const bits = firstBits(power);
      const at = this.constant('POWERS') + 16 * (power - lowest);
      this.memory.writeBigUInt64LE(bits >> 64n, at);
      this.memory.writeBigUInt64LE(bits & WORD, at + 8);
    }
  }
}

let loaded: Kernel | null | undefined;

/** Returns this thread's kernel; null if there is no WebAssembly with SIMD, or no address space for its memory. */
export function threadKernel(): Kernel | null {
  if (loaded === undefined) loaded = load();
  return loaded;
}

function load(): Kernel | null {
  const bytes = readFileSync(FILE);
  if (typeof WebAssembly === 'undefined' || !WebAssembly.validate(bytes)) return null;
  try {
    return new Kernel(new WebAssembly.Module(bytes));
  } catch (error) {
    // As V8 says that it has no addresses for the memory.
    if (error instanceof RangeError) return null;
    throw error;
  }
}
