import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { arbitraryCommand, arbitrarySettings } from './commands.ts';
import { type Faults, openHistories } from './histories_world.ts';
import { History } from './history.ts';
import type { Model, Settings } from './model.ts';

/** How many histories, and their seed. `npm run histories -- --runs 10000 --seed 7` sets both. */
const RUNS = Number(process.env.HISTORIES_RUNS ?? 200);
const SEED = Number(process.env.HISTORIES_SEED ?? 1);
/** Histories run side by side in so many lanes, each with a seed of its own. */
const LANES = Number(process.env.HISTORIES_LANES ?? 8);
const COMMANDS = 14;

/** How many of a thousand passages through a fault point go wrong. */
const FAULT_RATE = Number(process.env.HISTORIES_FAULTS ?? 8);
/** Which share of the histories has faults at every await of the workers. */
const WITH_FAULTS = 0.25;

for (const [what, runs, faults] of [
  ['', Math.ceil(RUNS * (1 - WITH_FAULTS)), null],
  [' with faults at every await', Math.floor(RUNS * WITH_FAULTS), { seed: SEED, rate: FAULT_RATE }],
] as const) {
  test(`${runs} histories${what}, seed ${SEED}: tables, files and late keys are what the model says`, (t) =>
    runHistories(t, runs, faults));
}

async function runHistories(t: TestContext, runs: number, faults: Faults | null): Promise<void> {
  const world = await openHistories(LANES, faults);
  const started = Date.now();
  let failing: number | null = null;
  const lanes = Array.from({ length: LANES }, (_, lane) => runLane(lane));
  const failures = (await Promise.all(lanes)).filter((message) => message !== null);
  const seconds = Math.round((Date.now() - started) / 1000);
  t.diagnostic(`${runs} histories in ${seconds} s, seed ${SEED}: ${JSON.stringify(world.counts)}`);
  assert.equal(failures.length, 0, failures.join('\n\n'));
  await world.close();

  async function runLane(lane: number): Promise<string | null> {
    const property = fc.asyncProperty(
      arbitrarySettings,
      fc.commands([arbitraryCommand], { maxCommands: COMMANDS, size: 'max' }),
      async (settings, commands) => {
        // Only the first lane that fails shrinks its history.
        if (failing !== null && failing !== lane) return;
        const history = await History.open(world, lane, structuredClone(settings));
        history.trace(JSON.stringify(settings));
        try {
          await fc.asyncModelRun(() => ({ model: history.model, real: history }), commands);
          await history.close();
        } catch (error) {
          failing ??= lane;
          history.trace(`fails: ${(error as Error).message}`);
          if (failing === lane) throw error;
        }
      },
    );
    const details = await fc.check(property, {
      seed: (faults ? 500 : 0) + SEED * 1000 + lane,
      numRuns: Math.ceil((runs - lane) / LANES),
    });
    return details.failed ? describeFailure(lane, details) : null;
  }
}

type Details = fc.RunDetails<[Settings, Iterable<fc.AsyncCommand<Model, History>>]>;

/** Returns the shortest history that fails, and what is wrong in it. */
function describeFailure(
  lane: number,
  { counterexample, errorInstance, numShrinks, seed, counterexamplePath }: Details,
): string {
  const [settings, commands] = counterexample!;
  return [
    `lane ${lane}: a history fails, after ${numShrinks} steps of shrinking (seed ${seed}, path ${counterexamplePath}):`,
    JSON.stringify(settings),
    String(commands),
    String((errorInstance as Error)?.stack ?? errorInstance),
  ].join('\n');
}
