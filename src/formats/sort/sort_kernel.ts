/**
 * The "sort kernel" is a WebAssembly module that holds and sorts the rows of a run. Its source is in kernel/assembly/sort/,
 * in AssemblyScript. This file loads it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../paths.ts';

const FILE = join(packageRoot, 'kernel', 'sort.wasm');
export const PAGE_BYTES = 1 << 16;
/** Of the memory before a run is prepared: all that has a fixed place. */
const PAGES = 6;

type Constant = 'ORDER_BY' | 'SEGMENT_BY' | 'PADDING' | 'SIGNED' | 'UNSIGNED' | 'FLOAT';

/** What kernel/assembly/sort/run.ts exports; see there. Addresses are bytes from the start of the memory. */
export interface SortExports extends Record<Constant, WebAssembly.Global<number>> {
  filled: WebAssembly.Global<number>;
  rows: WebAssembly.Global<number>;
  firstTime: WebAssembly.Global<bigint>;
  lastTime: WebAssembly.Global<bigint>;
  gathered: WebAssembly.Global<number>;
  gatheredRows: WebAssembly.Global<number>;
  prepare(
    orderFields: number,
    segmentFields: number,
    time: number,
    timeFirst: number,
    memoryOfRows: number,
  ): number;
  setLimit(bytes: number, more: number): void;
  clear(): void;
  /** Returns 1 if the run is full, and 0 otherwise. */
  add(end: number): number;
  startGathering(): void;
  gather(): number;
}

let compiled: WebAssembly.Module | null | undefined;

/** Returns whether this Node can run the sort kernel: it has WebAssembly with SIMD. */
export function hasSortKernel(): boolean {
  return compile() !== null;
}

/** @throws RangeError if there is no address space for the memory */
export function openSortKernel(): { exports: SortExports; memory: WebAssembly.Memory } {
  const memory = new WebAssembly.Memory({ initial: PAGES });
  const exports = new WebAssembly.Instance(compile()!, { env: { memory } }).exports as SortExports;
  return { exports, memory };
}

function compile(): WebAssembly.Module | null {
  if (compiled !== undefined) return compiled;
  const bytes = readFileSync(FILE);
  const isSupported = typeof WebAssembly !== 'undefined' && WebAssembly.validate(bytes);
  compiled = isSupported ? new WebAssembly.Module(bytes) : null;
  return compiled;
}
