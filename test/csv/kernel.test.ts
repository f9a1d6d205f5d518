import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type Kernel, threadKernel } from '../../src/formats/csv/binary/kernel.ts';
import { KernelEncoder } from '../../src/formats/csv/binary/kernel_encoder.ts';
import { firstBits } from '../../src/formats/csv/binary/powers_of_ten.ts';
import { FULL, NEEDS_MORE, RowEncoder } from '../../src/formats/csv/binary/row_encoder.ts';
import { readSections, type Section, type SectionPlan } from '../../src/formats/csv/binary/sections.ts';
import { dialectBytes } from '../../src/formats/csv/dialect.ts';
import { kindOf, type ValueKind } from '../../src/formats/pg_binary/kinds.ts';
import { plainColumn } from '../../src/table/table.ts';
import { check, chunkSizes, dialectOf, difficultFiles, inChunks } from './random_csv.ts';
import { mangled, midpoints, TYPES } from './random_values.ts';
import { MAX_ROW_BYTES, planOf } from './section_plan.ts';

// The kernel encodes what the row encoder encodes, with the same bytes, or doubts it. values.test.ts compares the row
// encoder with PostgreSQL.

const SEED = Number(process.env.CSV_SEED ?? 1);
const VALUES = Number(process.env.CSV_VALUES ?? 1500);

const kernel = threadKernel() as Kernel;
assert.ok(kernel, 'this Node has no WebAssembly with SIMD');
const DIALECT = dialectBytes(dialectOf({ nullText: '\\N' }));
const RECORDS = { constants: null, newline: 'lf' as const, maxRowBytes: MAX_ROW_BYTES };

/** Returns the row of a quoted text as the kernel encodes it; null if it doubts it. */
function byKernel(kind: ValueKind, texts: string[]): (Buffer | null)[] {
  assert.ok(kernel.prepare({}, DIALECT, { ...RECORDS, kinds: [kind] }));
  return texts.map((text) => {
    kernel.reset();
    // Bytes that could continue the value follow it.
    const length = kernel.input.write(`"${text.replaceAll('"', '""')}"\n`);
    kernel.input.fill('7', length, length + 64);
    const stop = kernel.exports.encode(kernel.input.byteOffset, kernel.input.byteOffset + length);
    if (kernel.exports.rows.value === 0) return null;
    assert.equal(stop, kernel.constant('NEEDS_MORE'));
    assert.equal(kernel.exports.at.value, kernel.input.byteOffset + length);
    return Buffer.from(kernel.memory.subarray(kernel.constant('OUTPUT'), kernel.exports.filled.value));
  });
}

function byRowEncoder(kind: ValueKind, texts: string[]): (Buffer | null)[] {
  const encoder = new RowEncoder(DIALECT, { ...RECORDS, kinds: [kind] });
  return texts.map((text) => {
    encoder.encode(Buffer.from(`"${text.replaceAll('"', '""')}"\n`), 0);
    const rows = encoder.take();
    return rows && Buffer.from(rows.data);
  });
}

for (const [type, texts] of TYPES) {
  for (const timeZone of type === 'timestamptz' ? ['UTC', 'Asia/Tokyo'] : ['UTC']) {
    test(`the kernel encodes values of ${type} in ${timeZone} as the row encoder does, or doubts them`, () => {
      const baseType = NAMES[type] ?? type.replace(/\(.*/, '');
      const kind = kindOf({ ...plainColumn('v', type, baseType), isEnum: type === 'mood' }, timeZone)!;
      const sample = fc
        .sample(fc.oneof({ arbitrary: texts, weight: 3 }, { arbitrary: mangled(texts), weight: 1 }), {
          seed: SEED,
          numRuns: VALUES,
        })
        // These are never given to it.
        .map((text) => text.toWellFormed().replaceAll('\0', ''));
      const ours = byKernel(kind, sample);
      const expected = byRowEncoder(kind, sample);
      for (const [i, row] of ours.entries())
        if (row && !(expected[i] && row.equals(expected[i])))
          assert.fail(
            `${JSON.stringify(sample[i])}: ${row.toString('hex')}, not ${expected[i]?.toString('hex')}`,
          );
      const count = (rows: unknown[]) => rows.filter((row) => row !== null).length;
      assert.ok(
        count(ours) > count(expected) * 0.7,
        `the kernel encodes ${count(ours)} of ${count(expected)}`,
      );
    });
  }
}

/** Names of types as format_type returns them. */
const NAMES: Record<string, string> = {
  'varchar(5)': 'character varying',
  'char(4)': 'character',
  short: 'character varying',
  time: 'time without time zone',
  'time(2)': 'time without time zone',
  timestamp: 'timestamp without time zone',
  'timestamp(3)': 'timestamp without time zone',
  timestamptz: 'timestamp with time zone',
};

test('the kernel has the first bits of each power of ten', () => {
  for (let power = -64; power <= 40; power++) {
    const bits = firstBits(power);
    assert.equal(bits >> 127n, 1n, `${power}`);
    const five = 5n ** BigInt(Math.abs(power));
    // bits * 2^shift is 5^power, cut off; or 1 / 5^-power, rounded up.
    const length = BigInt(five.toString(2).length);
    if (power >= 0) {
      const shift = length - 128n;
      const [one, other] = shift > 0n ? [bits << shift, five] : [bits, five << -shift];
      const unit = shift > 0n ? 1n << shift : 1n;
      assert.ok(one <= other && other < one + unit, `${power}`);
    } else {
      const whole = 1n << (length + 127n);
      assert.ok((bits - 1n) * five < whole && whole < bits * five, `${power}`);
    }
  }
});

const decimals = fc
  .tuple(fc.bigInt({ min: 1n, max: 10n ** 18n - 1n }), fc.integer({ min: -64, max: 40 }))
  .map(([mantissa, power]) => `${mantissa}e${power}`);
const fractions = fc
  .tuple(fc.bigInt({ min: 1n, max: 10n ** 18n - 1n }), fc.integer({ min: 0, max: 18 }))
  .map(([mantissa, places]) => {
    const digits = String(mantissa).padStart(places + 1, '0');
    return places === 0 ? digits : `${digits.slice(0, -places)}.${digits.slice(-places)}`;
  });

for (const [what, texts, least] of [
  ['of up to 18 digits with any exponent', decimals, 0.99],
  ['of up to 18 digits with a point', fractions, 0.99],
  ['in the middle of two doubles, and next to it', midpoints, 0.5],
] as const) {
  test(`floats ${what} are the nearest double, or are doubted`, () => {
    const sample = fc.sample(texts, { seed: SEED, numRuns: VALUES * 20 });
    let encoded = 0;
    for (const [i, row] of byKernel('double precision', sample).entries()) {
      if (row === null) continue;
      encoded++;
      const text = sample[i]!;
      if (!Object.is(row.readDoubleBE(6), Number(text)))
        assert.fail(`${text} is encoded as ${row.readDoubleBE(6)}, and is ${Number(text)}`);
    }
    assert.ok(encoded > sample.length * least, `${encoded} of ${sample.length} are encoded`);
  });
}

test('each power of ten is right for the longest mantissas', () => {
  const texts: string[] = [];
  for (let power = -64; power <= 40; power++)
    for (const mantissa of [
      '999999999999999999',
      '9007199254740993',
      '900719925474099267',
      '123456789012345678',
    ])
      texts.push(`${mantissa}e${power}`);
  const encoded = byKernel('double precision', texts).map((row, i) => row && [texts[i], row.readDoubleBE(6)]);
  assert.deepEqual(
    encoded.filter((one) => one !== null),
    encoded.flatMap((one, i) => (one === null ? [] : [[texts[i], Number(texts[i])]])),
  );
  assert.ok(encoded.filter((one) => one !== null).length > texts.length * 0.95);
});

/** A row or a run of raw records, with the line of the file on which it ends or starts. */
interface Flat {
  kinds: string;
  raw: Buffer[];
  binary: Buffer[];
  rows: number;
  lines: number[];
}

async function sectionsOf(chunks: AsyncIterable<Buffer>, plan: SectionPlan): Promise<Flat> {
  const flat: Flat = { kinds: '', raw: [], binary: [], rows: 0, lines: [] };
  for await (const section of readSections(chunks, plan)) {
    flat.rows += section.rows;
    if (!flat.kinds.endsWith(section.kind[0]!)) flat.kinds += section.kind[0];
    if (section.kind === 'raw') flat.raw.push(Buffer.from(section.data));
    else {
      flat.binary.push(Buffer.from(section.data));
      flat.lines.push(...linesOf(section));
    }
  }
  return { ...flat, raw: [Buffer.concat(flat.raw)], binary: [Buffer.concat(flat.binary)] };
}

function linesOf(section: Section & { kind: 'binary' }): number[] {
  return Array.from({ length: section.rows }, (_, row) => section.firstLine + (section.lines?.[row] ?? row));
}

/** Compares both encoders; `check` compares the bytes of each call as well. */
async function compare(bytes: Buffer, sizes: readonly number[], plan: SectionPlan): Promise<Flat> {
  const expected = await outcome(sectionsOf(inChunks(bytes, sizes), { ...plan, kernel: 'off' }));
  assert.deepEqual(await outcome(sectionsOf(inChunks(bytes, sizes), { ...plan, kernel: 'check' })), expected);
  assert.deepEqual(await outcome(sectionsOf(inChunks(bytes, sizes), { ...plan, kernel: 'on' })), expected);
  return expected as Flat;
}

async function outcome(sections: Promise<Flat>): Promise<Flat | string> {
  return await sections.catch((error: Error) => error.message);
}

const constants = fc.constantFrom(null, {
  count: 1,
  bytes: Buffer.from([0, 0, 0, 1, 0x78]),
  csv: Buffer.from('x'),
});
const newlines = fc.constantFrom('lf' as const, 'crlf' as const);

test('difficult files have the same sections with the kernel and without it, at any chunk borders', async () => {
  await check(
    300,
    fc.tuple(difficultFiles(4), chunkSizes, newlines, constants),
    async ([{ dialect, columns, text }, sizes, newline, constants]) => {
      const kinds: SectionPlan['kinds'] = (['text', 'integer', 'text', null] as const).slice(0, columns);
      const written = newline === 'lf' ? text : text.replaceAll('\n', '\r\n');
      await compare(
        Buffer.from(written.toWellFormed()),
        sizes,
        planOf(dialect, kinds, 'on', { newline, constants }),
      );
    },
  );
});

const plain = (texts: fc.Arbitrary<string>) => texts.map((text) => text.toWellFormed().replaceAll('\0', ''));
const field = fc.oneof(
  {
    arbitrary: fc.constantFrom('1', '-25', '1234567', '', '"7"', '2.5', '"a,b"', '"say ""no"""', 'NULL'),
    weight: 8,
  },
  {
    arbitrary: plain(fc.string({ maxLength: 40 })).map((text) => text.replaceAll(/[",\r\n]/g, '')),
    weight: 3,
  },
  { arbitrary: fc.constantFrom('"two\nlines"', 'x"y"', '99999999999999999999', '"a\r\n"'), weight: 1 },
);

test('files with some values in doubt have the same sections with the kernel and without it', async () => {
  const file = fc.array(fc.array(field, { minLength: 3, maxLength: 3 }), { maxLength: 400 });
  await check(150, fc.tuple(file, chunkSizes), async ([records, sizes]) => {
    const bytes = Buffer.from(records.map((fields) => `${fields.join(',')}\n`).join(''));
    await compare(bytes, sizes, planOf(dialectOf({ nullText: 'NULL' }), ['text', 'text', 'jsonb'], 'on'));
  });
});

test('records that are longer than any of its memory are encoded, too', async () => {
  const long = (length: number, quoted: boolean) =>
    quoted ? `"${'a""b'.repeat(length / 4)}"` : 'x'.repeat(length);
  for (const length of [60_000, 70_000, 320_000, 340_000, 1_100_000])
    for (const quoted of [false, true]) {
      const bytes = Buffer.from(`1,short\n2,${long(length, quoted)}\n3,"two\nlines"\n4,end\n`.repeat(3));
      const { kinds, rows, lines } = await compare(
        bytes,
        [65_536],
        planOf(dialectOf(), ['integer', 'text'], 'on'),
      );
      assert.deepEqual({ kinds, rows }, { kinds: 'b', rows: 12 });
      assert.deepEqual(lines.slice(0, 5), [1, 2, 4, 5, 6]);
    }
});

test('many rows have the same sections, and all are encoded', async () => {
  const line = (i: number) =>
    `${i},2024-02-${String((i % 29) + 1).padStart(2, '0')} 12:00:00+01,${i / 7},"n ""${i}"""\n`;
  const bytes = Buffer.from(Array.from({ length: 60_000 }, (_, i) => line(i)).join(''));
  const kinds = ['integer', 'timestamp with time zone', 'double precision', 'text'] as const;
  const { kinds: found, rows } = await compare(bytes, [65_536], planOf(dialectOf(), [...kinds], 'on'));
  assert.deepEqual({ found, rows }, { found: 'b', rows: 60_000 });
});

test('a record longer than max_row_bytes is not encoded', async () => {
  const bytes = Buffer.from('1,a\n2,aaaaaaaaaa\n3,b\n');
  for (const maxRowBytes of [11, 12])
    await compare(bytes, [100], planOf(dialectOf(), ['integer', 'text'], 'on', { maxRowBytes }));
});

test('a dialect that the kernel has no room for is left to the row encoder', () => {
  const long = { ...DIALECT, nullText: Buffer.alloc(2000, 0x78) };
  assert.equal(KernelEncoder.create(kernel, long, { ...RECORDS, kinds: ['text'] }), null);
});

test('checking finds a kernel that encodes something else', () => {
  const encoder = KernelEncoder.create(kernel, DIALECT, { ...RECORDS, kinds: ['integer'] }, true)!;
  const length = kernel.input.write('12\n34\n');
  assert.equal(encoder.encode(kernel.input.subarray(0, length), 0), NEEDS_MORE);
  encoder.take();
  // As a wrong table of kinds would.
  kernel.memory[kernel.constant('KINDS')] = kernel.constant('TEXT');
  assert.throws(
    () => encoder.encode(kernel.input.subarray(0, length), 0),
    /the kernel encodes differently: 12/,
  );
});

test('an encoder refuses to go on after another has prepared the kernel', () => {
  const options = { ...RECORDS, kinds: ['integer' as const] };
  const first = KernelEncoder.create(kernel, DIALECT, options)!;
  KernelEncoder.create(kernel, DIALECT, options);
  assert.throws(() => first.encode(kernel.input.subarray(0, 0), 0), /another encoder/);
});

test('the rows after a full buffer are the next ones', () => {
  const encoder = KernelEncoder.create(kernel, DIALECT, { ...RECORDS, kinds: ['text'] })!;
  const line = `${'x'.repeat(99)}\n`;
  const length = kernel.input.write(line.repeat(6000));
  const bytes = kernel.input.subarray(0, length);
  let rows = 0;
  let stop = encoder.encode(bytes, 0);
  for (; stop === FULL; stop = encoder.encode(bytes, encoder.at)) rows += encoder.take()!.rows;
  rows += encoder.take()!.rows;
  assert.equal(rows, 6000);
});
