import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ConnectorError } from '../../src/errors.ts';
import { NEEDS_MORE, RECORD } from '../../src/formats/json/finder.ts';
import { ESCAPED, NULL, RecordReader, STRING } from '../../src/formats/json/record.ts';
import { KeyTree } from '../../src/formats/json/tree.ts';
import { unescapeString } from '../../src/formats/json/unescape.ts';
import { readWindows } from '../../src/formats/json/windows.ts';

interface Options {
  path?: string[];
  maxRowBytes?: number;
  /** The size of the chunks in which the bytes come. */
  size?: number;
  names?: string[];
}

/** Returns the records of a text: the places of bad ones, and the values of the others by source column. */
async function find(
  text: string | Buffer,
  { path, maxRowBytes = 1 << 20, size = 7, names = [] }: Options = {},
) {
  const bytes = Buffer.from(text);
  const chunks = async function* () {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
  };
  const tree = new KeyTree(names, names.length === 0);
  const reader = new RecordReader(tree);
  const found: (Record<string, unknown> | string)[] = [];
  for await (const { finder } of readWindows(chunks(), reader, {
    path: path ?? null,
    maxRowBytes,
    unit: 'line',
  })) {
    for (let next = finder.next(); next !== NEEDS_MORE; next = finder.next())
      found.push(
        next === RECORD ? valuesOf(reader, tree.names) : `line ${finder.place}: ${finder.problem!.reason}`,
      );
  }
  return found;
}

function valuesOf({ kinds, starts, ends, bytes }: RecordReader, names: string[]): Record<string, unknown> {
  const values: Record<string, unknown> = Object.create(null);
  for (const [field, name] of names.entries()) {
    const kind = kinds[field]!;
    if (kind === 0) continue;
    const raw = bytes.subarray(starts[field], ends[field]);
    if (kind === NULL) values[name] = null;
    else if (kind === STRING || kind === ESCAPED) values[name] = unescapeString(raw).toString();
    else values[name] = JSON.parse(Buffer.from(raw).toString());
  }
  return values;
}

const key = fc.oneof(
  fc.constantFrom('a', 'b', 'c\\', '"', 'c\\"d', 'é', ''),
  fc.string({ unit: 'grapheme', maxLength: 4 }),
);
const object = fc.dictionary(
  key.filter((name) => !/^\$([.[]|$)/.test(name)),
  fc.jsonValue({ maxDepth: 2 }),
  { maxKeys: 5 },
);

/** The values as JSON.parse reads them, in objects without a prototype. */
const parsed = (objects: Record<string, unknown>[]) =>
  objects.map((one) => Object.assign(Object.create(null), JSON.parse(JSON.stringify(one))));

test('records are the same in chunks of any size, as lines, as an array, and one after the other', async () => {
  const property = fc.asyncProperty(
    fc.array(object, { minLength: 1, maxLength: 6 }),
    fc.integer({ min: 1, max: 40 }),
    fc.constantFrom('lines', 'array', 'joined', 'pretty', 'within'),
    async (objects, size, how) => {
      const texts = objects.map((one) => JSON.stringify(one));
      const text = {
        lines: texts.join('\n'),
        array: JSON.stringify(objects),
        joined: texts.join(''),
        pretty: JSON.stringify(objects, null, 2),
        within: `{"x":[{}],"r":{"s":1,"items":${JSON.stringify(objects, null, 1)},"t":{}}}`,
      }[how];
      const path = how === 'within' ? ['r', 'items'] : undefined;
      assert.deepEqual(await find(text, { size, ...(path ? { path } : {}) }), parsed(objects));
    },
  );
  await fc.assert(property, { seed: Number(process.env.CSV_SEED ?? 1), numRuns: 300 });
});

test('what JSON.parse refuses is refused, with any byte changed', async () => {
  const property = fc.asyncProperty(
    object,
    fc.nat(),
    fc.constantFrom(...'{}[]",:\\0u-.e a\t'),
    async (one, at, char) => {
      const text = JSON.stringify({ a: 1, ...one });
      const changed = text.slice(0, at % text.length) + char + text.slice((at % text.length) + 1);
      // Half a pair may still be completed by the next escape; an array would be one of records.
      if (/\\u(0000|d[89a-f])/i.test(changed) || changed.startsWith('[')) return;
      let valid = true;
      try {
        // A record is an object.
        const value: unknown = JSON.parse(changed);
        valid = typeof value === 'object' && value !== null;
      } catch {
        valid = false;
      }
      const found = await find(`{"first":1}\n${changed}\n{"last":1}`);
      const isGood = found.length === 3 && typeof found[1] === 'object';
      assert.equal(isGood, valid, changed);
    },
  );
  await fc.assert(property, { seed: Number(process.env.CSV_SEED ?? 1), numRuns: 1000 });
});

test('a line that is not valid is left out, the first one only if an object follows', async () => {
  assert.deepEqual(await find('{"a":1}\n{"a":\n{"a":2}\n'), [
    { __proto__: null, a: 1 },
    'line 2: the line ends within it',
    { __proto__: null, a: 2 },
  ]);
  assert.deepEqual((await find('{"a"\n{"a":2}')).length, 2);
  await assert.rejects(
    find('{\n"a":1,\n"b"\n}\n'),
    isFatal(/line 4: not valid JSON: expected a colon, but found "}"/),
  );
  await assert.rejects(find('[{"a":1},\n{"a":}]'), isFatal(/line 2: .* expected a value, but found "}"/));
  await assert.rejects(find('{"a":1}{"a":}'), isFatal(/line 1/));
  await assert.rejects(find('[{"a":1}'), isFatal(/the file ends within it/));
});

/** Whether the whole file fails: `line` would make it a bad row. */
const isFatal = (message: RegExp) => (error: unknown) =>
  error instanceof ConnectorError && error.line === undefined && message.test(error.message);

test('the last of two equal keys counts, also for paths within them', async () => {
  const names = ['$.a.b', '$.a.c', '$.l[1]', 'a'];
  assert.deepEqual(await find('{"a":{"b":1,"c":2},"l":[1,2],"a":{"c":3},"\\u006c":[5,6]}', { names }), [
    { __proto__: null, '$.a.c': 3, '$.l[1]': 6, a: { c: 3 } },
  ]);
  assert.deepEqual(await find('{"a":{"b":1,"c":2},"l":[1,2],"a":7,"l":null}', { names }), [
    { __proto__: null, a: 7 },
  ]);
});

test('a record that is longer than max_row_bytes fails, wherever its end is', async () => {
  const long = `{"a":"${'x'.repeat(100)}"}`;
  for (const size of [10, 1000])
    for (const text of [long, `[{},${long}]`, `{"a":1}\n${long}\n`, long.slice(0, 60)])
      await assert.rejects(find(text, { maxRowBytes: 50, size }), { code: 'row_too_large' });
  assert.equal(
    (await find(`[${Array.from({ length: 100 }, () => '{"a":1}')}]`, { maxRowBytes: 50 })).length,
    100,
  );
});
