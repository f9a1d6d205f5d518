/**
 * `npm run bench`: compares the connector with other tools, on its own servers. Figures are of one run on one machine,
 * so read the ratios. See bench/README.md.
 */
import { applyChanges } from './apply_changes.ts';
import { backlog } from './backlog.ts';
import { bigFiles } from './big_files.ts';
import { lateKeys } from './late_keys.ts';
import { listing } from './listing.ts';
import { load } from './load/load.ts';
import { loadHypertable } from './load/load_hypertable.ts';
import { loadJson } from './load/load_json.ts';
import { type Options, readArguments } from './options.ts';
import { printSummary } from './report.ts';
import { scale } from './scale/scale.ts';
import { smallFiles } from './small_files.ts';

const BENCHES: Record<string, (options: Options) => Promise<void>> = {
  load,
  json: loadJson,
  hypertable: loadHypertable,
  big_files: bigFiles,
  small_files: smallFiles,
  backlog,
  listing,
  late_keys: lateKeys,
  apply_changes: applyChanges,
  scale,
};

// A signal must run the exit handlers, which delete temporary files; see scratch.ts.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));

try {
  const { names, options } = readArguments(process.argv.slice(2));
  const unknown = names.filter((name) => !(name in BENCHES));
  if (unknown.length > 0)
    throw new Error(
      `unknown benchmark: ${unknown.join(', ')}; expected one of: ${Object.keys(BENCHES).join(', ')}`,
    );
  for (const name of names.length > 0 ? names : Object.keys(BENCHES)) await BENCHES[name]!(options);
  printSummary();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
  process.exit(1);
}
