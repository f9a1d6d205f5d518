import { type Group, quoteField } from './harness.ts';

// Files with difficult syntax; for difficult values see spellings.ts.

const good = (from: number, count: number, end = '\n') =>
  Array.from({ length: count }, (_, i) => `${from + i},text ${from + i},${from + i}.25${end}`).join('');

/** The positions of a trap among ordinary rows. */
const PLACES = {
  first: (trap: string, end: string) => `${trap}${good(10, 5, end)}`,
  middle: (trap: string, end: string) => `${good(1, 5, end)}${trap}${good(10, 5, end)}`,
  last: (trap: string, end: string) => `${good(1, 5, end)}${trap}`,
  'at the very end': (trap: string, end: string) => `${good(1, 5, end)}${trap}`.slice(0, -end.length),
};

/** By case: a piece of a file with three columns, `integer, text, numeric(6,2)`. */
const PIECES: Record<string, string> = {
  'a quoted newline': '7,"two\nlines",1\n',
  'quoted newlines, and a bad value after them': '7,"three\n\nlines",1\n8,"x\ny",bad\n',
  'a bad value, then quoted newlines': 'bad,"two\nlines",1\n',
  'a bad value within a row of several lines': '7,"two\nlines",bad\n',
  'an empty field': '7,,\n',
  'an empty quoted field': '7,"",1\n',
  'an empty quoted field for a number': '7,x,""\n',
  'a fraction into an integer': '1.5,x,1\n',
  'too few fields': '7,x\n',
  'too many fields': '7,x,1,\n',
  'an empty line': '\n',
  'a line of spaces': '   \n',
  'quotes in mid-field': '7,a"b,c"d,1\n',
  'quotes at the end of a field': '7,ab"",1\n',
  'text after a quoted part': '7,"ab"cd"ef",1\n',
  'doubled quotes': '7,"say ""hello""",1\n',
  'four quotes': '7,"""",1\n',
  'spaces around quotes': '7, "a,b" ,1\n',
  'spaces around numbers': ' 7 ,x, 1.5 \n',
  'a backslash': '7,a\\b\\n\\.,1\n',
  'a backslash and a dot as a field': '7,\\.,1\n',
  'a backslash and a dot on a line of a quoted field': '7,"a\n\\.\nb",1\n',
  'a backslash and a dot alone on a line': '\\.\n',
  'a backslash and N': '7,\\N,1\n',
  'a tab': '7,a\tb,1\n',
  'a quote that is never closed': '7,"x,1\n',
  'a lone carriage return': '7,a\rb,1\n',
  'a quoted carriage return': '7,"a\rb",1\n',
  'a quoted carriage return and line feed': '7,"a\r\nb",1\n',
  'a line that ends as others do not': '7,x,1\r\n',
  'invalid UTF-8': '7,\xff,1\n',
  'half a character': '7,\xe2\x82,1\n',
  'an overlong character': '7,\xc0\xaf,1\n',
  'half a surrogate pair': '7,\xed\xa0\x80,1\n',
  'a character beyond the last': '7,\xf4\x90\x80\x80,1\n',
  'a noncharacter': '7,\xef\xbf\xbf,1\n',
  'characters of four bytes': '7,\xf0\x9f\x98\x80,1\n',
  'a NUL character': '7,a\0b,1\n',
  'a NUL character in quotes': '7,"a\0b",1\n',
  'a NUL character in a number': '\x007,x,1\n',
  'a byte order mark in the middle': '7,\xef\xbb\xbfx,1\n',
  'invisible spaces around a number': '\xc2\xa07,x,1\n',
  'a number of other digits': '\xd9\xa3,x,1\n',
  'control characters': '7,\x01\x02\x1f\x7f,1\n',
};

const COLUMNS = 'a integer, b text, c numeric(6,2)';
const FILLS = ['a', 'b', 'c'];
const latin1 = (text: string) => Buffer.from(text, 'latin1');

function filesOf(places: (keyof typeof PLACES)[], header: string, end = '\n'): Record<string, Buffer> {
  const files: Record<string, Buffer> = {};
  for (const [what, piece] of Object.entries(PIECES)) {
    for (const place of places) {
      files[`${what}, ${place}`] = latin1(header + PLACES[place](piece.replaceAll('\n', end), end));
    }
  }
  return files;
}

const whole: Record<string, string> = {
  'nothing at all': '',
  'one newline': '\n',
  'a byte order mark only': '\xef\xbb\xbf',
  'a byte order mark and rows': '\xef\xbb\xbf1,x,1\n2,y,2\n',
  'no final newline': '1,x,1\n2,y,2',
  'empty lines at the end': '1,x,1\n\n\n',
  'carriage returns only': good(1, 4, '\r'),
  'line feed after carriage returns': `${good(1, 4, '\r')}5,x,5\n`,
  'carriage return and line feed after line feeds': `${good(1, 4)}5,x,5\r\n`,
  'a line feed after both': `${good(1, 4, '\r\n')}5,x,5\n`,
  'two carriage returns': '1,x,1\r\r\n2,y,2\r\r\n',
  'a carriage return at the very end': '1,x,1\r\n2,y,2\r',
  'quoted, then nothing': '"1","x","1"',
  'a first row of several lines, then a bad one': '1,"a\n\nb",1\n2,x,2\nbad,y,3\n',
  'a first row of several lines, and rows end with both':
    '1,"a\nb\r\nc",1\r\n2,x,2\r\n3,"d\ne",4\r\nbad,y,3\r\n',
  'a first row of several lines, and carriage returns': '1,"a\rb\nc",1\r2,x,2\r3,"d\re",4\rbad,y,3\r',
};

const TEXT = 'a,text with ä, ö, é and €\n';

/**
 * All syntax traps. The settings are those of each group.
 * @param brief each trap in fewer positions
 */
export function trapGroups(settings: Record<string, unknown>, brief = false): Group[] {
  const three = { columns: COLUMNS, fills: FILLS };
  const headed = { ...settings, csv_skip_header: true };
  const files = Object.fromEntries(Object.entries(whole).map(([what, text]) => [what, latin1(text)]));
  const withHeader = (header: string) =>
    Object.fromEntries(
      Object.entries(whole).map(([what, text]) => {
        const end = /\r?\n|\r/.exec(text.replace(/"[^"]*"/gs, ''))?.[0] ?? '\n';
        return [`${what}, under a header`, latin1(header + end + text)];
      }),
    );
  return [
    {
      ...three,
      settings,
      files: { ...filesOf(brief ? ['middle'] : ['first', 'at the very end'], ''), ...files },
    },
    {
      ...three,
      settings: headed,
      files: {
        ...filesOf(brief ? ['first'] : ['first', 'middle', 'last', 'at the very end'], 'a,b,c\n'),
        ...withHeader('a,b,c'),
        'a header without an end': 'a,b,c',
        'a header and a newline': 'a,b,c\n',
        'a byte order mark before the header': '\ufeffa,b,c\n1,x,1\n2,\ufeffy,bad\n',
        'a byte order mark before a quoted header': '\ufeff"a","b","c"\n1,x,1\n',
        'a byte order mark before a header only': '\ufeffa,b,c\n',
      },
    },
    {
      ...three,
      settings: headed,
      files: filesOf(brief ? [] : ['first', 'at the very end'], 'a,b,c\r\n', '\r\n'),
    },
    { ...three, settings: headed, files: filesOf(brief ? [] : ['middle'], 'a,b,c\r', '\r') },
    {
      ...three,
      fills: ['c', 'b', 'a'],
      settings: headed,
      files: { 'a header in another order': 'C,b,"A"\n1.5,x,1\n2,"two\nlines",2\n3,y,bad\n' },
    },
    {
      columns: 'v text',
      fills: ['v'],
      settings,
      files: {
        'one column: an empty line is a row': 'a\n\nb\n',
        'one column: only empty lines': '\n\n\n',
        'one column: an empty line at the end': 'a\n\n',
        'one column: quoted and nothing else': '""\n""',
        'one column: a backslash and a dot, quoted': 'a\n"\\."\nb\n',
        'one column: a backslash and a dot at the end': 'a\n\\.',
        'one column: a backslash, a dot and a newline at the end': 'a\n\\.\n',
        'one column: two backslashes and a dot': '\\\\.\n\\.\\.\n',
        'one column: spaces': ' \n  \n',
        'one column: carriage returns': 'a\r\rb\r',
      },
    },
    {
      ...three,
      settings: { ...settings, csv_quote: '-' },
      files: { 'quotes that are signs: an empty quoted number': `${good(1, 5)}7,x,--\n` },
    },
    {
      columns: 'n integer',
      fills: ['n'],
      settings,
      files: { 'one number: an empty line is null': '1\n\n3\n', 'one number: spaces are none': '1\n \n3\n' },
    },
    {
      columns: 'v varchar(3), w char(3), x "char", y name',
      fills: ['v', 'w', 'x', 'y'],
      settings,
      files: {
        'text that is as long as it may be': 'abc,abc,x,y\näöü,äö ,ä,z\n',
        'spaces beyond the length': 'abc   ,abc   ,x,y\n',
        'too long': 'abc,abc,x,y\nabcd,abc,x,y\nabc,abc,x,y\n',
        'too long a char(n)': 'abc,abc,x,y\nabc,äöüß,x,y\n',
        'too long a name': `abc,abc,xyz,${'ä'.repeat(40)}\n`,
      },
    },
    {
      columns:
        "id bigint generated by default as identity, a integer, d integer default 7, n text not null default 'none', g integer generated always as (a * 2) stored, c integer check (c < 10)",
      fills: ['a', 'n', 'c'],
      settings: { ...settings, csv_skip_header: true },
      bare: true,
      files: { 'identity, defaults and a generated column': 'a,n,c\n1,x,1\n2,"",2\n,y,\n' },
    },
    {
      columns: "a integer, d integer default 7, n text not null default 'none', c integer check (c < 10)",
      fills: ['a', 'n', 'c'],
      settings: { ...settings, csv_skip_header: true },
      files: {
        'null where none may be': 'a,n,c\n1,x,1\n2,,2\n3,y,3\n',
        'a check that fails': 'a,n,c\n1,x,1\n2,y,20\n3,y,3\n',
      },
    },
    {
      columns: 'a integer, b text, c date',
      fills: ['a', 'b', 'c'],
      settings: { ...settings, csv_delimiter: ';', csv_quote: "'", csv_escape: '\\', csv_null: 'NULL' },
      files: {
        'another dialect': "1;'it\\'s; \\\\ here';2026-01-01\n2;NULL;NULL\n3;'NULL';\n",
        'another dialect, and empty for a date': "1;;''\n",
        'an escape of nothing': "1;'a\\b\\';2026-01-01'\n2;x;NULL\n",
        'an escape at the end': "1;'a\\",
        'an escape outside quotes': "1;a\\';2026-01-01\n2;b';2026-01-02\n",
        'other quotes': '1;"a;2026-01-01\n',
      },
    },
    {
      columns: 'a integer, b text',
      fills: ['a', 'b'],
      settings: { ...settings, csv_delimiter: '\t', csv_null: '\\N', csv_quote: '\x01', csv_escape: '\x01' },
      files: {
        'tabs, and no quotes': '1\ta "quoted" one\n2\t\\N\n3\t\n',
        'tabs, and null for a number': '\\N\tx\n\ty\n',
      },
    },
    {
      columns: 'a text, b text',
      fills: ['a', 'b'],
      settings: { ...settings, csv_encoding: 'latin1' },
      files: { 'Latin-1': Buffer.from(TEXT.replace('€', '\x80'), 'latin1') },
    },
    {
      columns: 'a text, b text',
      fills: ['a', 'b'],
      settings: { ...settings, csv_encoding: 'win1252' },
      files: {
        'Windows-1252': Buffer.from(TEXT.replace('€', '\x80'), 'latin1'),
        'Windows-1252 with a byte that it lacks': Buffer.from('a,b\nc,\x81\n', 'latin1'),
      },
    },
    {
      columns: 'a text, b text',
      fills: ['a', 'b'],
      settings: { ...settings, csv_encoding: 'sjis' },
      files: {
        'Shift-JIS': Buffer.from('\x83\x5c,\x95\x22\n"\x8e\x94\x83\x5c",a\n', 'latin1'),
        'Shift-JIS that is broken': Buffer.from('a,b\n\x83\x5c,\xff\xff\n', 'latin1'),
      },
    },
    utf16Group(settings, 'utf-16le'),
    utf16Group(settings, 'utf-16'),
  ];
}

function utf16Group(settings: Record<string, unknown>, encoding: string): Group {
  const texts: Record<string, string> = {
    'UTF-16': '1,ä 日本 😀\n2,"two\nlines"\n\n',
    'UTF-16, and a bad value': '1,x\nbad,y\n',
  };
  return {
    columns: 'a integer, b text',
    fills: ['a', 'b'],
    settings: { ...settings, csv_encoding: encoding },
    files: Object.fromEntries(
      Object.entries(texts).map(([what, text]) => [
        what,
        Buffer.from(encoding === 'utf-16' ? `\ufeff${text}` : text, 'utf16le'),
      ]),
    ),
    forCopy: Object.fromEntries(Object.entries(texts).map(([what, text]) => [what, Buffer.from(text)])),
  };
}

/** Values that only PostgreSQL can check, in rows that were checked before. */
const AFTER_MANY: Record<string, string> = {
  'invalid UTF-8': '7,\xff\n',
  'a NUL character': '7,a\0b\n',
  'a wild spelling': ' +7 ,x\n',
  'a bad value': 'bad,"two\nlines"\n',
  'a ragged row': '7\n',
  'another end of line': '7,x\r\n',
};

/** Files that are large or wide: tables without a column of ours. */
export function largeGroups(): Group[] {
  const names = Array.from({ length: 1600 }, (_, i) => `c${i}`);
  const row = (from: number) => names.map((_, i) => from + i).join(',');
  const wide = { columns: names.map((name) => `${name} integer`).join(', '), fills: names, bare: true };
  const two = { columns: 'a integer, b text', fills: ['a', 'b'], bare: true };
  const many = Array.from({ length: 20_000 }, (_, i) => `${i},row ${i}\n`).join('');
  const long = (bytes: number) => quoteField(`a "quoted"\n${'x'.repeat(bytes)}`);
  return [
    {
      ...wide,
      settings: { csv_skip_header: true },
      files: { '1,600 columns': `${names.join(',')}\n${row(1)}\n${row(2)}\n` },
    },
    { ...wide, files: { '1,600 columns, one of them bad': `${row(1)}\n${row(2)}x\n` } },
    ...Object.entries(AFTER_MANY).map(([what, piece]) => ({
      ...two,
      files: { [`${what}, after many good rows`]: latin1(`${many}${piece}${many}`) },
    })),
    { ...two, files: { 'rows of two MB': `1,x\n2,${long(2_090_000)}\n3,y\n4,${long(2_090_000)}\n` } },
    { ...two, files: { 'a row that is longer than allowed': `1,x\n2,${long(2_200_000)}\n3,y\n` } },
  ];
}
