/** The commands of which histories are made: arrivals, calls of a person, and what goes wrong. */
import assert from 'node:assert/strict';
import type fc from 'fast-check';
import { type Body, showBody } from './bodies.ts';
import type { History } from './history.ts';
import { fits, type Model, type Refusal, type Settings, type TrackedFile } from './model.ts';

export type Command = fc.AsyncCommand<Model, History>;

/** A command that waits until everything that it caused is done, and then compares. */
function command(
  name: string,
  run: (history: History) => Promise<unknown>,
  options: { check?: (model: Model) => boolean; settles?: boolean } = {},
): Command {
  return {
    check: (model) => options.check?.(model) ?? true,
    run: async (_, history) => {
      history.trace(name);
      await run(history);
      if (options.settles !== false) await history.settle();
    },
    // Each on a line of its own.
    toString: () => `\n  ${name}`,
  };
}

export const arrival = (letter: string, body: Body): Command =>
  command(`put ${letter} ${showBody(body)}`, (history) => history.put(history.key(letter), body), {
    settles: false,
  });

/** Files that arrive at the same time, and so may be imported together. */
export const together = (bodies: [string, Body][]): Command =>
  command(
    `put and poll ${bodies.map(([letter, body]) => `${letter} ${showBody(body)}`).join(', ')}`,
    async (history) => {
      for (const [letter, body] of bodies) await history.put(history.key(letter), body);
      if (history.model.isRunning) await history.call('poll_now', [], history.model.poll());
    },
  );

export interface Late {
  letter: string;
  body: Body;
  seenBy: 'audit' | 'event';
  isDeleted: boolean;
}

/** A key arrives behind the marker. Then it is imported if somebody asks for it, or it is deleted. */
export const arriveLate = ({ letter, body, seenBy, isDeleted }: Late): Command =>
  command(
    `put ${letter} ${showBody(body)} late, ${seenBy}, ${isDeleted ? 'delete, audit' : 'import_late'}`,
    async (history) => {
      const { model } = history;
      const key = history.key(letter);
      await history.put(key, body);
      await (seenBy === 'audit' ? history.ask('audit') : history.event(key));
      model[seenBy](key);
      await history.settle();
      if (isDeleted) {
        history.delete(key);
        await history.ask('audit');
        model.audit();
      } else {
        await history.call('import_late', [], undefined);
        model.importLate();
      }
    },
    {
      check: ({ marker, files }) =>
        marker !== null &&
        letter < marker.slice(marker.indexOf('/') + 1) &&
        ![...files.keys()].some((key) => key.endsWith(`/${letter}`)),
    },
  );

/** A command about one of the files with a status, because few of all keys have it. */
const onNth = (
  status: TrackedFile['status'],
  nth: number,
  name: string,
  run: (history: History, key: string) => Promise<unknown>,
): Command =>
  command(
    name,
    async (history) => {
      const keys = withStatus(history.model, status);
      await run(history, keys[nth % keys.length]!);
    },
    { check: (model) => withStatus(model, status).length > 0 },
  );

/** Returns the keys of the files with a status, in order. */
function withStatus({ files }: Model, status: TrackedFile['status']): string[] {
  return [...files]
    .filter(([, file]) => file.status === status)
    .map(([key]) => key)
    .sort();
}

export const overwrite = (nth: number, body: Body): Command =>
  onNth('success', nth, `overwrite and poll imported file ${nth} ${showBody(body)}`, async (history, key) => {
    await history.put(key, body);
    if (history.model.isRunning) await history.call('poll_now', [], history.model.poll());
  });

export const onBucket = {
  revert: (letter: string) =>
    command(`put ${letter} as it was`, async (history) => history.revert(history.key(letter)), {
      settles: false,
    }),
  delete: (letter: string) =>
    command(`delete ${letter}`, async (history) => history.delete(history.key(letter)), { settles: false }),
};

export const poll = command('poll_now', async (history) => {
  await history.call('poll_now', [], history.model.poll());
});

export const pause = command('pause', async (history) => {
  await history.call('pause', [], undefined);
  history.model.pause();
});

export const resume = command('resume', async (history) => {
  await history.call('resume', [], undefined);
  history.model.resume();
});

export const retry = command('retry', async (history) => {
  await history.call('retry', [], undefined);
  history.model.retry();
});

export const importLate = command('import_late', async (history) => {
  await history.call('import_late', [], undefined);
  history.model.importLate();
});

export const callAudit = command('audit', async (history) => {
  await history.ask('audit');
  history.model.audit();
});

export const onFile: Record<string, (letter: string) => Command> = {
  cancel_file: byKey('cancel_file', (model, key) => model.cancel(key)),
  undo_file: byKey('undo_file', (model, key) => model.undo(key)),
  reimport_file: byKey('reimport_file', (model, key) => model.reimport(key)),
  retry_file: byKey('retry_file', (model, key) => model.retryFile(key)),
  event: (letter) =>
    command(`event about ${letter}`, async (history) => {
      const key = history.key(letter);
      await history.event(key);
      history.model.event(key);
    }),
  undo_by_another: (letter) =>
    command(`undo_file ${letter} by another role`, (history) => history.undoByAnother(history.key(letter))),
  dry_run_file: (letter) =>
    command(`dry_run_file ${letter}`, (history) => dryRun(history, history.key(letter)), {
      // The file is read by the rules of its connector, and each key is in the bucket.
      check: (model) => [...model.bucket.keys()].some((key) => key.endsWith(`/${letter}`)),
    }),
};

function byKey(call: string, predict: (model: Model, key: string) => Refusal): (letter: string) => Command {
  return (letter) =>
    command(`${call} ${letter}`, async (history) => {
      const key = history.key(letter);
      await history.call(call, [key], predict(history.model, key));
    });
}

/** Calls about one of the files that are imported. */
export const onImported: Record<string, (nth: number) => Command> = {
  undo_file: byImported('undo_file', (model, key) => model.undo(key)),
  reimport_file: byImported('reimport_file', (model, key) => model.reimport(key)),
};

function byImported(call: string, predict: (model: Model, key: string) => Refusal): (nth: number) => Command {
  return (nth) =>
    onNth('success', nth, `${call} of imported file ${nth}`, (history, key) =>
      history.call(call, [key], predict(history.model, key)),
    );
}

/** A retry of all files leaves out those that were cancelled. */
export const cancelFailed = (nth: number): Command =>
  onNth('failure', nth, `cancel_file of failed file ${nth}, retry`, async (history, key) => {
    const { model } = history;
    await history.call('cancel_file', [key], model.cancel(key));
    // Files that change rows may have waited for it.
    await history.settle();
    await history.call('retry', [], undefined);
    model.retry();
  });

/** A dry run says what an import would do, and changes nothing. */
async function dryRun(history: History, key: string): Promise<void> {
  const { model } = history;
  const version = model.bucket.get(key)!;
  const [answer] = await history.ask<{
    rows_read: number | null;
    error_code: string | null;
    error_message: string | null;
  }>('dry_run_file', [key]);
  const expected = fits(version, model.settings) ? version.records.length : null;
  assert.equal(
    answer!.rows_read,
    expected,
    `the dry run found ${answer!.error_code}: ${answer!.error_message}`,
  );
}

export const setMarker = (letter: string | null): Command =>
  command(`set_marker ${letter}`, async (history) => {
    const key = letter === null ? null : history.key(letter);
    await history.call('set_marker', [key], undefined);
    history.model.setMarker(key);
  });

/** Changes a setting of the connector, as people do: pause, update, resume. */
export const change = (column: 'late_keys' | 'on_overwrite', value: string): Command =>
  command(
    `${column} = ${value}`,
    async (history) => {
      await history.call('pause', [], undefined);
      history.model.pause();
      await history.settle();
      await history.update(column, value);
      Object.assign(history.model.settings, changed(column, value));
      await history.call('resume', [], undefined);
      history.model.resume();
    },
    { check: ({ settings }) => isAllowed({ ...settings, ...changed(column, value) }) },
  );

function changed(column: 'late_keys' | 'on_overwrite', value: string): Partial<Settings> {
  return column === 'late_keys'
    ? { lateKeys: value as Settings['lateKeys'] }
    : { onOverwrite: value as Settings['onOverwrite'] };
}

export const MEANWHILE = [
  'cancel',
  'pause',
  'undo',
  'reimport',
  'retry',
  'poll',
  'overwrite',
  'delete',
] as const;
type Meanwhile = (typeof MEANWHILE)[number];

export interface During {
  letter: string;
  body: Body;
  meanwhile: Meanwhile;
  next: Body;
  isKilled: boolean;
}

/** Something happens while a file is being imported: its GET stops after the first byte, until that is done. */
export const during = ({ letter, body, meanwhile, next, isKilled }: During): Command => {
  const what = meanwhile === 'overwrite' ? `overwrite with ${showBody(next)}` : meanwhile;
  return command(
    `${what}${isKilled ? ' and kill' : ''} while ${letter} ${showBody(body)} is imported`,
    async (history) => {
      const { world, model } = history;
      const key = history.key(letter);
      await history.call('poll_now', [], model.poll());
      await history.settle();
      // A fault may end the import at any time.
      if (world.hasFaults || !model.wouldImport(key)) return;
      // Nobody else may end this import, and who kills a worker ends the imports of others.
      await (isKilled ? world.gate.alone : world.gate.shared).call(world.gate, async () => {
        const stalled = history.stall(key);
        await history.put(key, body);
        await history.directly('poll_now', []);
        await history.until('the import has begun', async () => stalled.hits > 0);
        model.hold(key);
        model.poll();
        // Afterwards the file may be no worker's.
        const worker = await history.workerOf(key);
        await doMeanwhile(history, key, meanwhile, next);
        if (isKilled) await world.kill(worker);
        stalled.cancel();
      });
      await history.settled();
      model.release(key, await history.hasBegunAgain(key));
      if (model.isRunning) await history.call('poll_now', [], model.poll());
    },
    { check: (model) => model.isRunning },
  );
};

async function doMeanwhile(history: History, key: string, meanwhile: Meanwhile, next: Body): Promise<void> {
  const { model } = history;
  const replaces = model.files.get(key)!.rows !== null;
  switch (meanwhile) {
    case 'cancel':
      assert.equal(await history.directly('cancel_file', [key]), undefined);
      model.cancel(key);
      return;
    case 'pause':
      assert.equal(await history.directly('pause', []), undefined);
      model.pause();
      return;
    case 'undo':
      assert.equal(await history.directly('undo_file', [key]), replaces ? '55006' : '55000');
      return;
    case 'reimport':
      assert.equal(await history.directly('reimport_file', [key]), '55006');
      return;
    case 'retry':
      assert.equal(await history.directly('retry_file', [key]), undefined);
      return;
    case 'poll':
      assert.equal(await history.directly('poll_now', []), undefined);
      return;
    case 'overwrite':
      await history.put(key, next);
      return;
    case 'delete':
      history.delete(key);
  }
}

export const kill = command('kill a worker', ({ world }) => world.gate.alone(() => world.kill()));
export const restart = (mode: 'immediate' | 'fast') =>
  command(`restart the server (${mode})`, ({ world }) => world.gate.alone(() => world.restart(mode)));
export const restore = command('restore into another database', ({ world }) =>
  world.gate.alone(() => world.restore()),
);

/** What the product refuses is left out: files that change rows are neither late nor imported again. */
export function isAllowed({ kind, lateKeys, onOverwrite, lineage }: Settings): boolean {
  if (kind === 'changes' && lateKeys === 'import') return false;
  return lineage || onOverwrite !== 'reimport';
}
