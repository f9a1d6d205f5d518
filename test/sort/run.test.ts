/** Sorts rows of COPY's binary format in runs. A plain sort that compares values is the oracle. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { OrderField, RowOrder } from '../../src/formats/sort/row_order.ts';
import { Run } from '../../src/formats/sort/run.ts';
import { pick, type Random, seeded } from '../support/random.ts';

const [MOST, LEAST] = [2n ** 63n - 1n, -(2n ** 63n)];
/** Microseconds since 2000: infinity, -infinity, before and after 1970 and 2000, and around words of 32 bits. */
const TIMES = [MOST, LEAST, MOST - 1n, -946_684_800_000_001n, -1n, 0n, 1n, 2n ** 32n - 1n, 2n ** 32n];
const FLOATS = [NaN, Infinity, -Infinity, -0, 0, 1.5, -1.5, Number.MIN_VALUE, -Number.MIN_VALUE, 1e300];
const NUMBERS = [-32768, -1, 0, 1, 32767];

/** A row with its fields' values. Each run has rows of this shape. */
interface Row {
  number: number;
  device: string | null;
  place: string | null;
  time: bigint;
  float: number | null;
  small: number | null;
}

const TIME_FIELD = 2;
const BY_TIME: OrderField = { field: 2, form: 'signed', words: 2, descending: false, nullsFirst: false };
const BY_FLOAT: OrderField = { field: 3, form: 'float', words: 2, descending: false, nullsFirst: false };
const BY_SMALL: OrderField = { field: 4, form: 'signed', words: 1, descending: false, nullsFirst: false };

function orderOf(more: Partial<RowOrder>): RowOrder {
  const time = { field: TIME_FIELD, unit: 'microseconds' as const };
  const bytes = { runBytes: 1 << 22, firstRunBytes: 1 << 22 };
  return { segmentBy: [0], orderBy: [BY_TIME], time, timeFirst: true, ...bytes, ...more };
}

function makeRow(random: Random, number: number, devices: number): Row {
  const orNull = <Value>(value: Value) => (random(10) === 0 ? null : value);
  return {
    number,
    device: orNull(`device ${'x'.repeat(random(12))}${random(devices)}`),
    place: orNull(pick(random, ['', 'a', 'ab', 'b'])),
    time: random(2) === 0 ? pick(random, TIMES) : BigInt(random(1000)) - 500n,
    float: orNull(pick(random, FLOATS)),
    small: orNull(pick(random, NUMBERS)),
  };
}

function encode({ number, device, place, time, float, small }: Row): Buffer {
  const fields = [
    device === null ? null : Buffer.from(device),
    place === null ? null : Buffer.from(place),
    bytesOf(8, (to) => to.writeBigInt64BE(time)),
    float === null ? null : bytesOf(8, (to) => to.writeDoubleBE(float)),
    small === null ? null : bytesOf(2, (to) => to.writeInt16BE(small)),
    bytesOf(4, (to) => to.writeUInt32BE(number)),
  ];
  const parts = fields.flatMap((field) => [
    bytesOf(4, (to) => to.writeInt32BE(field?.length ?? -1)),
    field ?? Buffer.alloc(0),
  ]);
  return Buffer.concat([bytesOf(2, (to) => to.writeInt16BE(fields.length)), ...parts]);
}

function bytesOf(length: number, put: (to: Buffer) => void): Buffer {
  const to = Buffer.alloc(length);
  put(to);
  return to;
}

/** Returns the numbers of the rows, which are their last fields, in the order in which the run returns them. */
function numbersOf(run: Run): number[] {
  const numbers: number[] = [];
  for (const { data, rows } of run.sorted()) {
    const bytes = Buffer.from(data);
    let at = 0;
    for (let row = 0; row < rows; row++) {
      const fields = bytes.readInt16BE(at);
      at += 2;
      for (let field = 0; field < fields; field++) at += 4 + Math.max(0, bytes.readInt32BE(at));
      numbers.push(bytes.readUInt32BE(at - 4));
    }
    assert.equal(at, bytes.length);
  }
  return numbers;
}

/** The segments come in the order of their first rows. */
function sortPlainly(rows: Row[], order: RowOrder): number[] {
  const segmentOf = (row: Row) =>
    JSON.stringify(order.segmentBy.map((field) => [row.device, row.place][field]));
  const segments = Map.groupBy(rows, segmentOf);
  return [...segments.values()].flatMap((of) =>
    of.sort((a, b) => compare(a, b, order.orderBy)).map(({ number }) => number),
  );
}

function compare(a: Row, b: Row, orderBy: OrderField[]): number {
  for (const { field, descending, nullsFirst } of orderBy) {
    const read = (row: Row) => [row.device, row.place, row.time, row.float, row.small][field] ?? null;
    const [x, y] = [read(a), read(b)];
    if (x === null || y === null) {
      if (x !== y) return (x === null) === nullsFirst ? -1 : 1;
      continue;
    }
    const order = compareValues(x as number, y as number);
    if (order !== 0) return descending ? -order : order;
  }
  return a.number - b.number;
}

/** As PostgreSQL: NaN is above all numbers, and both zeros are equal. */
function compareValues(a: number, b: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return a < b ? -1 : a > b ? 1 : 0;
}

test('a run is sorted as a plain sort sorts it, and rows of equal keys keep their order', () => {
  const random = seeded(17);
  const run = new Run();
  for (const [i, more] of (
    [
      {},
      { orderBy: [{ ...BY_TIME, descending: true }] },
      { segmentBy: [], orderBy: [BY_FLOAT, BY_SMALL] },
      { segmentBy: [0, 1], orderBy: [{ ...BY_FLOAT, descending: true, nullsFirst: true }, BY_TIME] },
      { segmentBy: [1], orderBy: [{ ...BY_SMALL, nullsFirst: true }] },
      { segmentBy: [1, 0], orderBy: [] },
    ] satisfies Partial<RowOrder>[]
  ).entries()) {
    const order = orderOf(more);
    // More segments than the first slots, and few.
    const rows = Array.from({ length: 4000 }, (_, number) => makeRow(random, number, i % 2 === 0 ? 3000 : 3));
    run.prepare(order);
    // In pieces that end anywhere.
    const data = Buffer.concat(rows.map(encode));
    for (let at = 0, end = 0; at < data.length; end += 1 + random(9999)) {
      at += run.add(data.subarray(at, end), 0);
      assert.equal(run.isFull, false);
    }
    assert.equal(run.rows, rows.length);
    const times = rows.map(({ time }) => time).sort((a, b) => (a < b ? -1 : 1));
    assert.deepEqual(run.times(), { first: times[0], last: times.at(-1) });
    assert.deepEqual(numbersOf(run), sortPlainly(rows, order), JSON.stringify(more));
  }
});

test('rows in order, in the opposite order and in long sequences of both are sorted', () => {
  const random = seeded(18);
  const run = new Run();
  for (const timeOf of [
    (i: number) => i,
    (i: number) => -i,
    (i: number) => (i % 1000) * (i % 2000 < 1000 ? 1 : -1),
    (i: number) => (i < 2990 ? i : 0),
    (i: number) => (i < 10 ? 5000 : i),
  ]) {
    const rows = Array.from({ length: 3000 }, (_, i) => {
      return { ...makeRow(random, i, 1), device: 'one', time: BigInt(timeOf(i)) };
    });
    const order = orderOf({});
    run.prepare(order);
    run.add(Buffer.concat(rows.map(encode)), 0);
    assert.deepEqual(numbersOf(run), sortPlainly(rows, order), timeOf.toString());
  }
});

test('rows that are longer than a buffer, and those that fit just so, come out whole', () => {
  const random = seeded(19);
  const run = new Run();
  const rows = Array.from({ length: 60 }, (_, i) => {
    const length = [10, 65_400, 65_520, 70_000, 400_000, 3_000_000][random(6)]!;
    return { ...makeRow(random, i, 1), device: pick(random, ['x', 'y']).repeat(length) };
  });
  const order = orderOf({ runBytes: 200 << 20 });
  run.prepare(order);
  for (const row of rows) run.add(encode(row), 0);
  assert.deepEqual(numbersOf(run), sortPlainly(rows, order));
});
