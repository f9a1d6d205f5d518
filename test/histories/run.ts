// `npm run histories -- --runs 10000 --seed 7`: runs the histories of histories.test.ts, as many as asked, with this seed.
// `npm run histories -- --mutants`: breaks the product in one way after the other, and fails if no history notices.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { MUTANTS } from './mutants.ts';

const RUN = fileURLToPath(new URL('../run.ts', import.meta.url));

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
    lanes: { type: 'string', default: '8' },
    faults: { type: 'string', default: '' },
    mutants: { type: 'boolean', default: false },
    /** Of mutants, only those whose name has this text. */
    only: { type: 'string', default: '' },
  },
});

process.exitCode = values.mutants ? await runMutants() : (await runHistories({}, 'inherit')).code;

/** Prints a row for each mutant, and returns 1 if one was not noticed. */
async function runMutants(): Promise<number> {
  let missed = 0;
  console.log('| what is broken | history that fails | what it says |\n| --- | --- | --- |');
  for (const { name } of MUTANTS.filter((mutant) => mutant.name.includes(values.only))) {
    const { code, output } = await runHistories({ HISTORIES_MUTANT: name }, 'pipe');
    const [, history, says] =
      /of shrinking .*\n *\{.*\n([\s\S]*?) *\/\*.*\n *\w*Error.*?: (.*)/.exec(output) ?? [];
    if (history === undefined) missed += 1;
    const commands = history
      ?.split('\n')
      .map((line) => line.trim())
      .filter(Boolean)
      .join(' ');
    console.log(
      `| ${name} | ${commands ?? (code === 0 ? '**none**' : '**another error**')} | ${says ?? ''} |`,
    );
    if (history === undefined && code !== 0) console.error(output.slice(-3000));
  }
  return missed > 0 ? 1 : 0;
}

async function runHistories(
  env: Record<string, string>,
  stdio: 'inherit' | 'pipe',
): Promise<{ code: number; output: string }> {
  const run = spawn(process.execPath, [RUN, 'test/histories/histories.test.ts'], {
    stdio: ['ignore', stdio, stdio],
    env: {
      ...process.env,
      HISTORIES_RUNS: values.runs,
      HISTORIES_SEED: values.seed,
      HISTORIES_LANES: values.lanes,
      ...(values.faults === '' ? {} : { HISTORIES_FAULTS: values.faults }),
      ...env,
    },
  });
  let output = '';
  for (const stream of [run.stdout, run.stderr]) stream?.on('data', (text) => (output += text));
  const [code] = await once(run, 'close');
  return { code: code ?? 1, output };
}
