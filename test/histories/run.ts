// `npm run histories -- --runs 10000 --seed 7`: runs the histories of histories.test.ts, as many as asked, with this seed.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    lanes: { type: 'string', default: '8' },
    faults: { type: 'string', default: '' },
  },
});

const run = spawn(
  process.execPath,
  [fileURLToPath(new URL('../run.ts', import.meta.url)), 'test/histories/histories.test.ts'],
  {
    stdio: 'inherit',
    env: {
      ...process.env,
      HISTORIES_RUNS: values.runs,
      HISTORIES_SEED: values.seed,
      HISTORIES_LANES: values.lanes,
      ...(values.faults === '' ? {} : { HISTORIES_FAULTS: values.faults }),
    },
  },
);
const [code] = await once(run, 'exit');
process.exitCode = code ?? 1;
