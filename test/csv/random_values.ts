/** Random texts that the input functions of PostgreSQL's types accept, or nearly accept. */
import fc from 'fast-check';

const digits = (max: number) => fc.stringMatching(new RegExp(`^[0-9]{0,${max}}$`));
const sign = fc.constantFrom('', '', '', '-', '+');
const decimal = fc
  .tuple(sign, digits(20), fc.constantFrom('', '.', '.'), digits(20))
  .map((parts) => parts.join(''));
const integer = fc.oneof(
  fc.tuple(sign, digits(20)).map((parts) => parts.join('')),
  fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String),
  ...[15n, 16n, 31n, 32n, 53n, 63n, 64n].map((bits) =>
    fc
      .tuple(fc.constantFrom(-1n, 1n), fc.bigInt({ min: -2n, max: 2n }))
      .map(([s, d]) => String(s * 2n ** bits + d)),
  ),
);
/** The decimal numbers in the middle between two doubles, or next to it in the last of up to 18 digits. */
export const midpoints = fc
  .tuple(
    fc.double({ noNaN: true, noDefaultInfinity: true, min: 1e-30, max: 1e30 }),
    fc.integer({ min: 15, max: 18 }),
    fc.integer({ min: -1, max: 1 }),
  )
  .map(([value, length, more]) => middleAbove(value, length, more));

/** Returns `length` digits of the middle between a double and the next one, plus `more` in the last digit. */
function middleAbove(value: number, length: number, more: number): string {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  const word = bits.getBigUint64(0);
  const exponent = (word >> 52n) - 1075n;
  const twice = ((word & ((1n << 52n) - 1n)) | (1n << 52n)) * 2n + 1n;
  // twice * 2^(exponent - 1), with 100 decimal places.
  const shift = exponent - 1n;
  const scaled = twice * 10n ** 100n;
  const digits = String(shift >= 0n ? scaled << shift : scaled >> -shift);
  const power = digits.length - 100 - length;
  return `${BigInt(digits.slice(0, length)) + BigInt(more)}e${power}`;
}

const float = fc.oneof(
  midpoints,
  fc.double().map(String),
  fc.float().map(String),
  fc.double().map((value) => value.toPrecision(17)),
  // Half way between two floats, and next to it.
  fc.float({ noNaN: true, noDefaultInfinity: true }).map((value) => String(value * (1 + 2 ** -24))),
  fc.tuple(decimal, fc.constantFrom('e', 'E'), sign, digits(3)).map((parts) => parts.join('')),
  decimal,
  fc.constantFrom(
    'NaN',
    'nan',
    '-nan',
    '+NaN',
    'inf',
    '-Infinity',
    '+inf',
    'INFINITY',
    'infinit',
    '.inf',
    '-.nan',
    '.',
    '-',
    'e5',
    '0x10',
    '1e',
    '4.9e-324',
    '1e400',
    '-0',
    '-0.0e0',
    '2.2250738585072011e-308',
  ),
);
const upTo = (max: number) => fc.integer({ min: 0, max }).map((value) => String(value).padStart(2, '0'));
const date = fc.oneof(
  fc
    .date({ min: new Date('0001-01-01'), max: new Date('9999-12-31'), noInvalidDate: true })
    .map((value) => value.toISOString().slice(0, 10)),
  fc
    .tuple(
      fc.integer({ min: 0, max: 10_000 }),
      fc.integer({ min: 0, max: 13 }),
      fc.integer({ min: 0, max: 32 }),
    )
    .map(
      ([y, m, d]) =>
        `${String(y).padStart(4, '0')}-${String(m).padStart(2, '0')}-${String(d).padStart(2, '0')}`,
    ),
  fc.constantFrom(
    '2024-02-29',
    '1900-02-29',
    '2000-02-29',
    'infinity',
    '-infinity',
    'epoch',
    '4713-01-01 BC',
    '294276-12-31',
    '20240131',
    '2024-1-1',
  ),
);
const time = fc
  .tuple(
    upTo(25),
    upTo(61),
    fc.option(upTo(61), { nil: undefined }),
    fc.option(digits(9), { nil: undefined }),
  )
  .map(([h, m, s, f]) => `${h}:${m}${s === undefined ? '' : `:${s}${f === undefined ? '' : `.${f}`}`}`);
const zone = fc.oneof(
  fc.constantFrom(
    '',
    '',
    'Z',
    'z',
    '+00',
    ' +00',
    ' UTC',
    '+1',
    '-15:59',
    '+14:00',
    '+14:59:59',
    ' Europe/Berlin',
    ' BC',
  ),
  fc
    .tuple(fc.constantFrom('+', '-'), upTo(16), fc.constantFrom('', ':'), fc.option(upTo(61), { nil: '' }))
    .map((parts) => parts.join('')),
);
const stamp = fc.oneof(
  date,
  fc.tuple(date, fc.constantFrom(' ', ' ', 'T', 't', '  '), time, zone).map((parts) => parts.join('')),
);
const text = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme', maxLength: 100 }));
const hex = fc.uint8Array({ maxLength: 20 }).map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`);
const uuid = fc.uuid();

/** A column type, and texts that its input function accepts, or nearly accepts. */
export const TYPES: [type: string, texts: fc.Arbitrary<string>][] = [
  ['smallint', integer],
  ['integer', integer],
  ['bigint', integer],
  ['real', float],
  ['double precision', float],
  ['numeric', fc.oneof(decimal, integer, float)],
  ['numeric(12,3)', fc.oneof(decimal, integer)],
  [
    'boolean',
    fc.oneof(
      fc.constantFrom('t', 'TRUE', 'tr', 'y', 'on', 'o', 'of', 'OFF', '1', '0', '01', 'n', ' no', '\x11'),
      fc.string({ maxLength: 5 }),
    ),
  ],
  ['text', text],
  ['varchar(5)', text],
  ['char(4)', text],
  ['json', fc.oneof(fc.json(), text)],
  ['jsonb', fc.oneof(fc.json(), text)],
  ['mood', fc.constantFrom('sad', 'ok', 'very happy')],
  ['short', fc.string({ maxLength: 3 })],
  [
    'uuid',
    fc.oneof(
      uuid,
      uuid.map((value) => value.toUpperCase()),
      uuid.map((value) => `{${value}}`),
    ),
  ],
  ['bytea', fc.oneof(hex, text)],
  ['date', fc.oneof(date, stamp)],
  ['time', time],
  ['time(2)', time],
  ['timestamp', stamp],
  ['timestamp(3)', stamp],
  ['timestamptz', stamp],
];

/** All texts that differ from a text by one character. */
export const mangled = (texts: fc.Arbitrary<string>) =>
  fc
    .tuple(texts, fc.nat(), fc.constantFrom(...' +-.:eE0_x\t/TZ{}"\\', '٣', ''))
    .map(([value, at, character]) => {
      const place = at % (value.length + 1);
      return value.slice(0, place) + character + value.slice(place + 1);
    });
