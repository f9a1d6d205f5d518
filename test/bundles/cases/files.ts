/** How files may be written, right and wrong. */
import { gzipSync } from 'node:zlib';
import { parquetOf } from '../../support/parquet.ts';
import { but, type Case, COLUMNS, csv, json, many, rows } from './case.ts';

/** Files of which some have other types, or values that the table does not take. */
const parquet = await Promise.all(
  Array.from({ length: 10 }, (_, file) => {
    if (file === 4) return parquetOf(`select ${file}::integer as file, 'x' as n, 'v' as value`);
    if (file === 5)
      return parquetOf(`select ${file}::integer as file, range as n, 'v' as value from range(3)`);
    if (file === 6) return parquetOf(`select ${file}::integer as file, 3000000000 as n, 'v' as value`);
    return parquetOf(
      `select ${file}::integer as file, range::integer as n, 'v' || range as value from range(${file})`,
    );
  }),
);

export const FILES: Record<string, Case> = {
  plain: { bodies: many(8) },
  bytes: {
    bodies: but(14, {
      1: csv(1, ''),
      2: csv(2).replaceAll('\n', '\r\n'),
      3: `\ufeff${csv(3)}`,
      4: gzipSync(csv(4)),
      5: '',
      6: 'file,n,value\n',
      7: 'file,n,value',
      8: csv(8).replaceAll('\n', '\r'),
      9: `file,n,value\n9,1,"two\nlines"\n9,2,"q""q"\n9,3,""\n9,4,`,
      10: `${csv(10)}\n`,
      11: 'value,n,file\nx,1,11\n',
      12: 'file,n\n12,1\n',
    }),
  },
  broken: {
    bodies: but(16, {
      1: `${csv(1)}1,9,"never closed`,
      2: csv(2).replace('2,1,', '2,x,'),
      3: `${csv(3)}3,9\n`,
      4: `${csv(4)}4,9,a,b\n`,
      5: `${csv(5)}5,9,a\0b\n`,
      6: Buffer.concat([Buffer.from(csv(6)), Buffer.from([0x36, 0x2c, 0x31, 0x2c, 0xff, 0x0a])]),
      7: `${csv(7)}7,9,a\r\n`,
      8: 'file,n,other\n8,1,x\n',
      9: '{"file": 1}\n',
      10: gzipSync(csv(10)).subarray(0, 20),
      11: 'PK\u0003\u0004 no archive',
      12: `${csv(12)}\\.\n12,9,x\n`,
      13: `${csv(13, '')}\n"`,
      14: `file,n,file\n1,2,3\n`,
    }),
  },
  skipped: {
    connector: { on_bad_row: 'skip', max_bad_rows: 2, line_column: 'line', file_key_column: 'key' },
    columns: `${COLUMNS}, line bigint, key text`,
    bodies: but(10, {
      1: `${csv(1)}1,x,a\n1,5,b\n`,
      2: `${csv(2)}2,x,a\n2,y,b\n2,z,c\n`,
      3: `${csv(3)}3,9\n`,
      4: `file,n,value\n4,1,"a\nb"\n4,x,c\n`,
      5: csv(5, ''),
    }),
  },
  end_marker: {
    columns: 'value text',
    connector: { file_id_column: null },
    bodies: [
      'value\na\n',
      'value\nb\n\\.',
      'value\nc\n',
      'value\n\\.\nd\n',
      'value\n\n\ne',
      'value\n\n',
      'value\nf',
    ],
  },
  escapes: {
    format: { csv_escape: '\\', csv_quote: "'" },
    bodies: but(6, {
      1: "file,n,value\n1,1,'a\\'\n1,2,b'\n",
      2: "file,n,value\n2,1,'a\\\\'\n2,2,b\\",
      3: `${csv(3)}3,1,'x\\'\n`,
    }),
  },
  unquoted: {
    format: { csv_quote: '' },
    bodies: but(6, { 1: 'file,n,value\n1,1,5" pipe\n1,2,6"', 4: 'file,n,value\n4,4,"\n' }),
  },
  headerless: {
    connector: { csv_skip_header: false },
    bodies: but(9, {
      0: rows(0).join('\n'),
      1: `${rows(1).join('\n')}\n`,
      2: '2,1,a',
      3: '3,1\n',
      4: '4,1,a,b\n',
      5: '\ufeff5,1,a\n',
      6: '6,1,a\r\n6,2,b\r\n',
      7: 'x,1,a\n',
      8: '8,1,',
    }),
  },
  text_layout: {
    format: { layout: 'text', csv_delimiter: '\t' },
    bodies: many(
      6,
      (file) => `file\tn\tvalue\n${file}\t1\ta\\tb\n${file}\t2\t\\N${file === 3 ? '\tx' : ''}\n`,
    ),
  },
  normalized: {
    format: {
      comment_prefix: '#',
      skip_blank_lines: true,
      skip_lines: 1,
      on_short_row: 'fill',
      null_values: ['', 'NULL'],
    },
    bodies: many(
      8,
      (file) =>
        `title\n# comment\nfile,n,value\n${file},1,NULL\n\n${file},2\n#x\n${file},3,"a\n#b"${file === 5 ? '\n5,z,1' : ''}`,
    ),
  },
  latin1: {
    format: { csv_encoding: 'latin1' },
    bodies: but(6, { 2: Buffer.from('file,n,value\n2,1,\xe9\n', 'latin1'), 3: 'file,n,value\n3,1,é' }),
  },
  utf16: {
    format: { csv_encoding: 'utf-16' },
    bodies: many(6, (file) => {
      const body = Buffer.from(`\ufeff${csv(file, file % 2 ? '\n' : '')}`, 'utf16le');
      return file === 4 ? body.subarray(0, -1) : body;
    }),
  },
  sjis: {
    format: { csv_encoding: 'sjis' },
    bodies: but(6, {
      2: Buffer.concat([Buffer.from('file,n,value\n2,1,'), Buffer.from([0x83])]),
      3: Buffer.concat([Buffer.from('file,n,value\n3,1,'), Buffer.from([0x83, 0x5c])]),
    }),
  },
  replaced: {
    format: { invalid_text: 'replace' },
    bodies: but(6, {
      2: Buffer.from('file,n,value\n2,1,\xff\n', 'latin1'),
      3: Buffer.from('file,n,value\n3,1,\0\n', 'latin1'),
    }),
  },
  limits: {
    connector: { max_rows: 3, max_row_bytes: 40 },
    bodies: but(8, {
      2: `${csv(2)}2,4,x\n`,
      4: `file,n,value\n4,1,${'x'.repeat(60)}\n`,
      6: gzipSync(`${csv(6)}6,1,x`),
    }),
  },
  max_bytes: {
    connector: { max_file_bytes: 60 },
    bodies: but(6, { 1: csv(1) + csv(1), 3: gzipSync(`file,n,value\n${'3,1,x\n'.repeat(40)}`) }),
  },
  json: {
    connector: { file_format: 'json' },
    bodies: many(12, (file) =>
      file === 1
        ? json(1, { extra: 1 })
        : file === 2
          ? JSON.stringify([
              { file, n: 1, value: 'a' },
              { file, n: 2 },
            ])
          : file === 3
            ? '{"file": 3, "n": '
            : file === 4
              ? ''
              : file === 5
                ? '[]'
                : file === 6
                  ? `${json(6)}\n{"file": 6, "n": "x"}`
                  : file === 7
                    ? '{"n": 1}\n{"file": 7, "value": null}'
                    : file === 8
                      ? json(8, { value: { a: [1] } })
                      : json(file),
    ),
  },
  json_skipped: {
    connector: { file_format: 'json', on_bad_row: 'skip' },
    bodies: many(6, (file) => (file === 3 ? `${json(3)}\n{"file": 3, "n": "x"}\n{oops}` : json(file))),
  },
  parquet: { connector: { file_format: 'parquet' }, bodies: parquet },
  parquet_skipped: { connector: { file_format: 'parquet', on_bad_row: 'skip' }, bodies: parquet },
  empty: { bodies: many(6, (file) => (file % 2 ? '' : 'file,n,value\n')) },
  renamed_quotes: {
    ddl: 'create table $S."t_renamed_quotes" ("File" integer, "n" integer, "va lue" text, file_id bigint)',
    bodies: many(5, (file) => `FILE,N,va lue\n${file},1,x\n`),
  },
  large: { bodies: but(4, { 1: `file,n,value\n${'1,1,0123456789012345678901234567890\n'.repeat(9000)}` }) },
  gzipped: {
    bodies: many(5, (file) =>
      gzipSync(
        `file,n,value\n${`${file},1,0123456789012345678901234567890\n`.repeat(file === 2 ? 40000 : 30)}`,
      ),
    ),
  },
};
