import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { FAULT_POINTS } from '../../src/fault_points.ts';
import type { Command } from './commands.ts';
import { arbitraryCommand, arbitrarySettings, arbitraryStart } from './draw.ts';
import { type HistoriesOptions, openHistories } from './histories_world.ts';
import { History } from './history.ts';
import type { Settings } from './model.ts';
import { MUTANTS } from './mutants.ts';

/** How many histories, and their seed. `npm run histories -- --runs 10000 --seed 7` sets both. */
const RUNS = Number(process.env.HISTORIES_RUNS ?? 200);
const SEED = Number(process.env.HISTORIES_SEED ?? 1);
/** Histories run side by side in so many lanes, each with a seed of its own. */
const LANES = Number(process.env.HISTORIES_LANES ?? 8);
const COMMANDS = 12;

/** What is broken, so that a history must fail; see `npm run histories -- --mutants`. */
const MUTANT = MUTANTS.find(({ name }) => name === process.env.HISTORIES_MUTANT);
/** How long a history that fails is shrunk, in milliseconds. That of a mutant need not be short. */
const SHRINK_MS = MUTANT ? 30_000 : 300_000;
/** How many of a thousand passages through a fault point go wrong. */
const FAULT_RATE = Number(process.env.HISTORIES_FAULTS ?? (MUTANT ? 40 : 8));
/** Which share of the histories has faults at every await of the workers. */
const WITH_FAULTS = MUTANT ? Number(MUTANT.needsFaults ?? false) : 0.25;

for (const [what, runs, options] of [
  ['', Math.ceil(RUNS * (1 - WITH_FAULTS)), {}],
  [
    ' with dumps, and faults at every await',
    Math.floor(RUNS * WITH_FAULTS),
    { faults: { seed: SEED, rate: FAULT_RATE }, dumps: true },
  ],
] as const) {
  if (runs === 0) continue;
  test(`${runs} histories${what}, seed ${SEED}: tables, files and late keys are what the model says`, (t) =>
    runHistories(t, runs, options));
}

async function runHistories(
  t: TestContext,
  runs: number,
  options: Pick<HistoriesOptions, 'faults' | 'dumps'>,
): Promise<void> {
  const world = await openHistories({ lanes: LANES, mutant: MUTANT, ...options });
  const started = Date.now();
  let failing: { lane: number; since: number } | null = null;
  /** What the workers had logged when the first history failed. */
  let logs = '';
  const lanes = Array.from({ length: LANES }, (_, lane) => runLane(lane));
  const failures = (await Promise.all(lanes)).filter((message) => message !== null);
  const seconds = Math.round((Date.now() - started) / 1000);
  t.diagnostic(`${runs} histories in ${seconds} s, seed ${SEED}: ${JSON.stringify(world.counts)}`);
  if (options.faults) {
    const reached = await world.reached();
    const others = FAULT_POINTS.filter((point) => !reached.has(point));
    t.diagnostic(`${reached.size} fault points were reached; not ${others.join(', ')}`);
  }
  assert.equal(failures.length, 0, [...failures, logs].join('\n\n'));
  await world.close();

  async function runLane(lane: number): Promise<string | null> {
    let histories = 0;
    const property = fc.asyncProperty(
      arbitrarySettings,
      arbitraryStart,
      fc.commands([arbitraryCommand], { maxCommands: COMMANDS, size: 'max' }),
      async (settings, start, commands) => {
        // Only the first lane that fails shrinks its history.
        if (failing !== null && (failing.lane !== lane || isShrunk(failing.since))) return;
        histories += 1;
        // Each world is restored, in the middle of the others' histories.
        if (lane === 0 && histories === 2) await world.gate.alone(() => world.restore());
        const history = await History.open(world, lane, structuredClone(settings));
        history.trace(JSON.stringify(settings));
        try {
          const all = [...start, ...commands];
          await fc.asyncModelRun(() => ({ model: history.model, real: history }), all);
          await history.close();
        } catch (error) {
          failing ??= { lane, since: Date.now() };
          logs ||= world.lastLogs();
          history.trace(`fails: ${(error as Error).message}`);
          if (failing.lane === lane) throw error;
        }
      },
    );
    const details = await fc.check(property, {
      seed: (options.faults ? 500 : 0) + SEED * 1000 + lane,
      numRuns: Math.ceil((runs - lane) / LANES),
    });
    return details.failed ? describeFailure(lane, details) : null;
  }
}

/** Whether a history that fails has been shrunk for as long as is worth it. One that waits in vain takes minutes for each step. */
function isShrunk(since: number): boolean {
  return Date.now() - since > SHRINK_MS;
}

type Details = fc.RunDetails<[Settings, Command[], Iterable<Command>]>;

/** Returns the shortest history that fails, and what is wrong in it. */
function describeFailure(
  lane: number,
  { counterexample, errorInstance, numShrinks, seed, counterexamplePath }: Details,
): string {
  const [settings, start, commands] = counterexample!;
  return [
    `lane ${lane}: a history fails, after ${numShrinks} steps of shrinking (seed ${seed}, path ${counterexamplePath}):`,
    JSON.stringify(settings),
    `${start.join()}${commands}`,
    String((errorInstance as Error)?.stack ?? errorInstance),
  ].join('\n');
}
