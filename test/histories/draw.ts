/** What histories are drawn from: settings of a connector, and commands, of which expensive ones are rare. */
import fc from 'fast-check';
import { arbitraryBody, arbitrarySmallBody, type Body } from './bodies.ts';
import {
  arrival,
  arriveLate,
  type Command,
  callAudit,
  cancelFailed,
  change,
  during,
  importLate,
  isAllowed,
  kill,
  type Late,
  MEANWHILE,
  onBucket,
  onFile,
  onImported,
  overwrite,
  pause,
  poll,
  restart,
  restore,
  resume,
  retry,
  setMarker,
  together,
} from './commands.ts';
import type { Settings } from './model.ts';

const LETTERS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'] as const;
/** The most files of a wave. Their keys follow a letter: c1, c2 and so on. */
const WAVE = 7;
const inWave = (key: string, file: number) => `${key}${file + 1}`;
/** The key of a file, in the order of keys. Few commands are about a file of a wave. */
const letter = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...LETTERS) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.constantFrom(...LETTERS), fc.integer({ min: 0, max: WAVE - 1 }))
      .map(([key, file]) => inWave(key, file)),
  },
);

/** Which of the imported files, in the order of keys. */
const nth = fc.nat({ max: 9 });

const MANY = { minLength: 4, maxLength: 6, selector: ([key]: [string, Body]) => key };
/** Any files at the same time, or a "wave": small new files that can be a bundle. */
const arbitraryTogether: fc.Arbitrary<Command> = fc
  .oneof(
    { weight: 1, arbitrary: fc.uniqueArray(fc.tuple(letter, arbitraryBody), MANY) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(
          fc.constantFrom(...LETTERS),
          fc.array(arbitrarySmallBody, { minLength: 3, maxLength: WAVE, size: 'max' }),
        )
        .map(([key, bodies]) => bodies.map((body, file): [string, Body] => [inWave(key, file), body])),
    },
  )
  .map(together);

/** How a history begins. Most have files from the start, because many commands need some. */
export const arbitraryStart: fc.Arbitrary<Command[]> = fc
  .option(arbitraryTogether, { nil: undefined, freq: 4 })
  .map((first) => (first ? [first] : []));

const withRows = arbitraryBody.filter(({ rows }) => rows.length > 0);

/** Expensive events are rare. */
export const arbitraryCommand: fc.Arbitrary<Command> = fc.oneof(
  { weight: 240, arbitrary: fc.tuple(letter, arbitraryBody).map(([key, body]) => arrival(key, body)) },
  { weight: 60, arbitrary: arbitraryTogether },
  {
    weight: 60,
    arbitrary: fc
      .record<Late>({
        letter,
        body: withRows,
        seenBy: fc.constantFrom('audit', 'event'),
        isDeleted: fc.boolean(),
      })
      .map(arriveLate),
  },
  {
    weight: 100,
    arbitrary: fc.tuple(nth, withRows).map(([at, body]) => overwrite(at, body)),
  },
  { weight: 40, arbitrary: letter.map(onBucket.delete) },
  { weight: 30, arbitrary: letter.map(onBucket.revert) },
  { weight: 160, arbitrary: fc.constant(poll) },
  { weight: 40, arbitrary: fc.constant(pause) },
  { weight: 50, arbitrary: fc.constant(resume) },
  { weight: 50, arbitrary: fc.constant(retry) },
  { weight: 40, arbitrary: fc.constant(importLate) },
  { weight: 40, arbitrary: fc.constant(callAudit) },
  ...Object.values(onImported).map((of) => ({ weight: 40, arbitrary: nth.map(of) })),
  { weight: 40, arbitrary: nth.map(cancelFailed) },
  ...Object.values(onFile).map((of) => ({ weight: 40, arbitrary: letter.map(of) })),
  { weight: 40, arbitrary: fc.option(letter).map(setMarker) },
  { weight: 15, arbitrary: fc.constantFrom('report', 'import').map((value) => change('late_keys', value)) },
  {
    weight: 15,
    arbitrary: fc.constantFrom('ignore', 'report', 'reimport').map((value) => change('on_overwrite', value)),
  },
  {
    weight: 80,
    arbitrary: fc
      .record({
        letter,
        body: withRows,
        meanwhile: fc.constantFrom(...MEANWHILE),
        next: withRows,
        isKilled: fc.integer({ min: 0, max: 9 }).map((dice) => dice === 9),
      })
      .map(during),
  },
  { weight: 3, arbitrary: fc.constant(kill) },
  { weight: 2, arbitrary: fc.constantFrom<'immediate' | 'fast'>('fast', 'immediate').map(restart) },
  { weight: 1, arbitrary: fc.constant(restore) },
);

export const arbitrarySettings: fc.Arbitrary<Settings> = fc
  .record<Settings>({
    kind: fc.constantFrom('append', 'append', 'append', 'merge', 'changes'),
    format: fc.constantFrom('csv', 'csv', 'csv', 'json', 'parquet'),
    conflict: fc.constantFrom('update', 'skip'),
    lateKeys: fc.constantFrom('report', 'import'),
    onOverwrite: fc.constantFrom('report', 'reimport', 'reimport', 'ignore'),
    growth: fc.constantFrom('fixed', 'ignore', 'grow', 'rescue'),
    onBadRow: fc.constantFrom('fail', 'skip'),
    created: fc.integer({ min: 0, max: 5 }).map((dice) => dice === 5),
    places: fc.constantFrom(100, 100, 100, 2, 1),
    parallel: fc.constantFrom(null, null, null, 1),
    hasStart: fc.integer({ min: 0, max: 3 }).map((dice) => dice === 3),
    lineage: fc.integer({ min: 0, max: 4 }).map((dice) => dice < 4),
    follows: fc.integer({ min: 0, max: 2 }).map((dice) => dice === 2),
  })
  .map(possible);

/** Returns the nearest settings that the product takes and the model knows. */
function possible(settings: Settings): Settings {
  const { kind } = settings;
  // The columns of a new table, and what is bad in it, depend on the sample of files.
  const fixed = { growth: 'fixed', onBadRow: 'fail', created: false } as const;
  const own: Partial<Settings> =
    kind === 'append'
      ? settings.created
        ? { growth: 'fixed', onBadRow: 'fail', follows: false }
        : {}
      : kind === 'merge'
        ? { growth: 'fixed', created: false, parallel: 1, lineage: true }
        : { ...fixed, places: 100, parallel: null, lineage: false, lateKeys: 'report' };
  const result = { ...settings, ...own };
  return isAllowed(result) ? result : { ...result, onOverwrite: 'report' };
}
