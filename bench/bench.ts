/** Measures what README claims; every figure is of one run on this machine, so read the ratios. */
import { bigParquet } from './big_parquet.ts';
import { scale } from './scale.ts';
import { smallFiles } from './small_files.ts';

const BENCHES: Record<string, () => Promise<void>> = {
  small_files: smallFiles,
  big_parquet: bigParquet,
  scale,
};

const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !(name in BENCHES));
if (unknown.length > 0) {
  process.stderr.write(
    `there is no bench ${unknown.join(', ')}; there are ${Object.keys(BENCHES).join(', ')}\n`,
  );
  process.exit(1);
}
for (const name of wanted.length > 0 ? wanted : Object.keys(BENCHES)) await BENCHES[name]!();
