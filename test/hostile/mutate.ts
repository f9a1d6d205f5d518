import { pick, type Random } from '../support/random.ts';

/** Lengths, offsets and counts that are likely to be unhandled. */
const NUMBERS = [0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/** Breaks bytes in one place or a few. */
export function mutate(random: Random, bytes: Buffer, tokens: string[]): Buffer {
  let mutated: Buffer = Buffer.from(bytes);
  for (let times = 1 + random(3); times > 0; times--) mutated = pick(random, WAYS)(random, mutated, tokens);
  return mutated;
}

const WAYS: ((random: Random, bytes: Buffer, tokens: string[]) => Buffer)[] = [
  flipBits,
  flipBits,
  overwriteNumber,
  insertToken,
  insertToken,
  (random, bytes) => bytes.subarray(0, random(bytes.length + 1)),
  (random, bytes) => bytes.subarray(random(bytes.length + 1)),
  moveSlice,
  (random, bytes) => {
    const [from, to] = range(random, bytes.length);
    return bytes.fill(pick(random, [0, 0xff, 0x22, 0x2c, 0x0a]), from, to);
  },
  (random, bytes) => {
    const [from, to] = range(random, bytes.length);
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
  },
];

function flipBits(random: Random, bytes: Buffer): Buffer {
  for (let times = random(8); times >= 0 && bytes.length > 0; times--) {
    const at = random(bytes.length);
    bytes[at] = bytes[at]! ^ (1 << random(8));
  }
  return bytes;
}

function overwriteNumber(random: Random, bytes: Buffer): Buffer {
  if (bytes.length >= 4) bytes.writeUInt32LE(pick(random, NUMBERS), random(bytes.length - 3));
  return bytes;
}

function insertToken(random: Random, bytes: Buffer, tokens: string[]): Buffer {
  const at = random(bytes.length + 1);
  const token = Buffer.from(pick(random, tokens), 'latin1');
  return Buffer.concat([bytes.subarray(0, at), token, bytes.subarray(at)]);
}

function moveSlice(random: Random, bytes: Buffer): Buffer {
  const [from, to] = range(random, bytes.length);
  const at = random(bytes.length + 1);
  return Buffer.concat([bytes.subarray(0, at), bytes.subarray(from, to), bytes.subarray(at)]);
}

function range(random: Random, length: number): [from: number, to: number] {
  const from = random(length + 1);
  return [from, Math.min(length, from + 1 + random(64))];
}
