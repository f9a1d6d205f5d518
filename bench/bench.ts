/**
 * `npm run bench`: measures what README claims, each way against the tools that people use today, on servers of its
 * own. Every figure is of one run on one machine, so read the ratios. See bench/README.md.
 */
import { bigFiles } from './big_files.ts';
import { listing } from './listing.ts';
import { load } from './load/load.ts';
import { loadHypertable } from './load/load_hypertable.ts';
import { type Options, readArguments } from './options.ts';
import { scale } from './scale/scale.ts';
import { smallFiles } from './small_files.ts';

const BENCHES: Record<string, (options: Options) => Promise<void>> = {
  load,
  hypertable: loadHypertable,
  big_files: bigFiles,
  small_files: smallFiles,
  listing,
  scale,
};

// So that what must not outlive this process goes at its exit; see scratch.ts.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));

try {
  const { names, options } = readArguments(process.argv.slice(2));
  const unknown = names.filter((name) => !(name in BENCHES));
  if (unknown.length > 0)
    throw new Error(`there is no bench ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}`);
  for (const name of names.length > 0 ? names : Object.keys(BENCHES)) await BENCHES[name]!(options);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  process.exit(1);
}
