/** Server cases: what the connector relies on when it lists. */
import { compareKeys } from '../keys.ts';
import { Deviation, expectSame } from './deviation.ts';
import type { ServerCase } from './server_case.ts';
import type { Trial } from './trial.ts';

const MIXED = ['-', 'A', 'a-b/1', 'a/1', 'a/b/2', 'a0', 'b', 'z', '\u00e9', '\u20ac', '\uffee'];
const FLAT = ['1', '2', '3', '4', '5', '6', '7'];
/** `dev/pump/` is "crowded": `dev/pump-old/` sorts before it. */
const CROWD = [
  ...Array.from({ length: 20 }, (_, index) => `dev/pump-old/${String(index).padStart(2, '0')}`),
  'dev/pump/1',
  'dev/pump/2',
  'dev/pump/a/3',
  'dev/pump0',
  'dev/q/1',
];
const CROWD_START = 'dev/pump/1';
const afterCrowdStart = CROWD.filter((key) => compareKeys(key, CROWD_START) > 0);

export const LISTING_CASES: readonly ServerCase[] = [
  {
    name: 'keys are listed in the order of their UTF-8 bytes',
    reliedOn: 'the marker: a key that is listed too late is never imported',
    level: 'required',
    otherwise: 'Polls fail with list_out_of_order.',
    async run(trial) {
      await trial.putAll(MIXED);
      expectSame((await trial.list({})).keys, MIXED, 'one page has the keys');
      expectSame((await trial.listAll({ maxKeys: 3 })).keys, MIXED, 'pages of 3 have the keys');
    },
  },
  {
    name: 'keys with characters above U+FFFF are listed after all others',
    reliedOn: 'the marker, for keys with such characters',
    level: 'wanted',
    otherwise:
      'A folder with such keys (emoji, rare scripts) and others fails with list_out_of_order. Name keys without them.',
    async run(trial) {
      const names = ['a\uffee', 'a\u{1f600}'];
      await trial.putAll(names);
      expectSame((await trial.list({})).keys, names, 'a page has the keys');
    },
  },
  {
    name: 'a key that has the name of a folder hides no key in that folder',
    reliedOn: 'every listing: what the server hides is never imported',
    level: 'wanted',
    otherwise:
      'Give no file the name of a folder beside it: keys of a folder a/ are not listed if there is a key a.',
    async run(trial) {
      const names = ['a', 'a/1', 'a/b/2'];
      await trial.putAll(names);
      expectSame((await trial.list({})).keys, names, 'a page has the keys');
    },
  },
  {
    name: 'a listing starts after any key, also one that does not exist',
    reliedOn: 'the marker, after which every poll lists',
    level: 'required',
    otherwise: 'Polls fail with list_out_of_order, or find nothing new.',
    async run(trial) {
      await trial.putAll(FLAT);
      for (const startAfter of ['0', '3', '3x', '7']) {
        const { keys } = await trial.listAll({ startAfter, maxKeys: 2 });
        const expected = FLAT.filter((key) => compareKeys(key, startAfter) > 0);
        expectSame(keys, expected, `after ${startAfter}, the keys are`);
      }
    },
  },
  {
    name: 'with a delimiter, folders are listed by their names, also after start-after',
    reliedOn: 'patterns without **, which do not walk subfolders',
    level: 'required',
    otherwise: 'Use patterns with ** only.',
    async run(trial) {
      await trial.putAll(['a', 'b/1', 'b/2', 'c', 'd/e/1']);
      const whole = await trial.listAll({ delimiter: '/', maxKeys: 2 });
      expectSame(whole, { keys: ['a', 'c'], folders: ['b/', 'd/'] }, 'all pages have');
      const after = await trial.listAll({ delimiter: '/', startAfter: 'b/2' });
      // The folder of start-after may be listed again.
      after.folders = after.folders.filter((folder) => folder !== 'b/');
      expectSame(after, { keys: ['c'], folders: ['d/'] }, 'after b/2, the page has');
    },
  },
  {
    name: 'more than 1,000 keys are listed page by page, each once',
    reliedOn: 'every listing of a large bucket',
    level: 'required',
    otherwise: 'Keys would be missed.',
    async run(trial) {
      const names = Array.from({ length: 1003 }, (_, index) => String(index).padStart(5, '0'));
      await trial.putAll(names);
      const first = await trial.list({});
      if (first.keys.length > 1000) throw new Deviation(`a page has ${first.keys.length} keys`);
      const { keys } = await trial.listAll({});
      expectSame(keys.length, names.length, 'the pages have so many keys');
      expectSame(keys, names, 'the pages have the keys');
    },
  },
  {
    name: 'the connector finds every key, also where other folders begin with the same name',
    reliedOn: 'every listing of a pattern with **',
    level: 'required',
    otherwise: 'Keys would be missed.',
    async run(trial) {
      await trial.putAll(CROWD);
      const names = (await trial.listAsConnector(CROWD_START)).map(({ name }) => name);
      expectSame(names, afterCrowdStart, `after ${CROWD_START}, it lists`);
    },
  },
  {
    name: 'start-after is right where other folders begin with the same name',
    reliedOn: 'one LIST request for a poll that finds nothing new',
    level: 'wanted',
    otherwise:
      'The connector lists around it. At least every five minutes, a poll costs one LIST request more for each folder of the marker.',
    async run(trial) {
      await trial.putAll(CROWD);
      const { keys } = await trial.listAll({ prefix: 'dev/', startAfter: CROWD_START, maxKeys: 2 });
      expectSame(keys, afterCrowdStart, `after ${CROWD_START}, the pages have`);
    },
  },
  {
    name: 'keys with usual special characters are listed and read as they were written',
    reliedOn: 'encoding-type=url',
    level: 'required',
    otherwise: 'Files with such keys fail.',
    run: (trial) =>
      readBack(trial, ['a b', 'a+b', '100%', '%41', 'q?&=\'"<>#', '\u00e9\u20ac', '[1]{2}~!@$^*(),;:']),
  },
  {
    name: 'keys with control characters are listed and read as they were written',
    reliedOn: 'encoding-type=url',
    level: 'wanted',
    otherwise: 'Name keys without control characters, or their folder cannot be listed.',
    run: (trial) => readBack(trial, ['tab\tx', 'line\nx', 'x\u0001']),
  },
  {
    name: 'keys with empty or dotted folders can be read under the names that are listed',
    reliedOn: 'keys that programs made by joining paths',
    level: 'wanted',
    otherwise: 'Files with such keys fail. Name keys without //, /./ and /../.',
    async run(trial) {
      for (const name of ['a//b', 'c/./d', 'e/f/../g']) await trial.putIfAllowed(name);
      for (const object of await trial.listAsConnector()) await readText(trial, object);
    },
  },
  {
    name: 'a listing shows a key as soon as it is written',
    reliedOn: 'keys that arrive in order: a key that shows up behind the marker is late',
    level: 'wanted',
    otherwise: "Set late_keys to 'import', or min_object_age to the longest delay.",
    async run(trial) {
      const names: string[] = [];
      for (const name of FLAT) {
        await trial.put(name);
        names.push(name);
        expectSame((await trial.list({})).keys, names, `right after writing ${name}, the page has`);
      }
      await trial.remove('1');
      expectSame((await trial.list({})).keys, names.slice(1), 'right after deleting 1, the page has');
    },
  },
];

/** Lists and reads names as the connector does. A name that the server refuses does not matter. */
async function readBack(trial: Trial, names: string[]): Promise<void> {
  const stored: string[] = [];
  for (const name of names) if (await trial.putIfAllowed(name)) stored.push(name);
  const objects = await trial.listAsConnector();
  expectSame(
    objects.map(({ name }) => name),
    stored.sort(compareKeys),
    'it lists the keys',
  );
  for (const object of objects)
    expectSame(
      await readText(trial, object),
      `body of ${object.name}`,
      `the object ${JSON.stringify(object.name)} has`,
    );
}

async function readText(
  trial: Trial,
  object: Awaited<ReturnType<Trial['listAsConnector']>>[number],
): Promise<string> {
  const { source, signal } = trial.options;
  const chunks = await Array.fromAsync(await source.open(object, { offset: 0, signal }));
  return Buffer.concat(chunks).toString();
}
