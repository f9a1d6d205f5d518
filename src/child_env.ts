/** The environment of what runs apart from the worker: readers and encoder threads. */
import { flushCompileCache, getCompileCacheDir } from 'node:module';
import { DATA_FAULT_ENV } from './data_faults.ts';

const { NODE_COMPILE_CACHE: directory } = process.env;

/** The worker's own environment is not passed on: no credentials, no connection string, no preloaded modules. */
export const CHILD_ENV: Record<string, string> = {
  ...DATA_FAULT_ENV,
  // With it, a start takes a third to a half of the CPU time.
  ...(directory && { NODE_COMPILE_CACHE: directory }),
};

/** Saves what Node has compiled, if it keeps that. To be called by the child after its start: Node does so at a regular end only, and a child is killed. */
export function saveCompiled(): void {
  if (getCompileCacheDir() !== undefined) flushCompileCache();
}
