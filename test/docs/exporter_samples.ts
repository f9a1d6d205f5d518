/** What the programs of docs/files.md write, as their documentation shows it, and what must be in the table. */
import assert from 'node:assert/strict';
import { gzipSync } from 'node:zlib';
import type { World } from '../support/world.ts';

interface Sample {
  key: string;
  body: string | Buffer;
  /** A query of the loaded rows, and its rows as JSON arrays. */
  query: string;
  rows: unknown[][];
}

const latin1 = (text: string) => Buffer.from(text, 'latin1');
const utf16 = (text: string) => Buffer.from(text, 'utf16le');

/** By connector. */
const SAMPLES: Record<string, Sample> = {
  unicode_text: {
    key: 'unicode_text/book.txt',
    body: utf16('\ufeffName\tStadt\r\nMüller\t"Köln\tSüd"\r\n'),
    query: 'select "Name", "Stadt" from unicode_text',
    rows: [['Müller', 'Köln\tSüd']],
  },
  pandas: {
    key: 'pandas/frame.csv',
    body: ',id,n,flag,at\n0,a,1.0,True,2026-01-02 03:04:05\n1,b,,False,\n',
    query: 'select id, n, flag, at::text from from_pandas order by id',
    rows: [
      ['a', 1, true, '2026-01-02 03:04:05+00'],
      ['b', null, false, null],
    ],
  },
  r: {
    key: 'r/frame.csv',
    body: '"","name","n"\n"1","a ""b""",1.5\n"2",NA,NA\n"3","NA",2\n',
    query: 'select column1, name, n from from_r order by column1',
    rows: [
      [1, 'a "b"', 1.5],
      [2, null, null],
      [3, 'NA', 2],
    ],
  },
  r_csv2: {
    key: 'r_csv2/frame.csv',
    body: '"";"name";"n"\n"1";"a";1,5\n"2";"b";NA\n',
    query: 'select name, n from from_r_csv2 order by name',
    rows: [
      ['a', 1.5],
      ['b', null],
    ],
  },
  spark: {
    key: 'spark/part-00000-3f1c-c000.csv',
    body: '1,"say \\"hi\\", C:\\\\dir",2026-01-02T03:04:05.000Z\n2,"",2026-01-02T03:04:05.000+01:00\n3,,\n',
    query: 'select id, note, at::text from from_spark order by id',
    rows: [
      [1, 'say "hi", C:\\dir', '2026-01-02 03:04:05+00'],
      [2, '', '2026-01-02 02:04:05+00'],
      [3, null, null],
    ],
  },
  redshift: {
    key: 'redshift/0000_part_00',
    body: '1|a \\| b \\\\ c|2026-01-02 03:04:05|t\n2|line\\\nbreak||f\n',
    query: 'select id, note, at::text, ok from from_redshift order by id',
    rows: [
      [1, 'a | b \\ c', '2026-01-02 03:04:05', true],
      [2, 'line\nbreak', null, false],
    ],
  },
  redshift_quoted: {
    key: 'redshift_quoted/0000_part_00',
    body: '"1"|"a | \\"b\\" \\\\ c"\n"2"|"line\nbreak"\n',
    query: 'select id, note from from_redshift_quoted order by id',
    rows: [
      [1, 'a | "b" \\ c'],
      [2, 'line\nbreak'],
    ],
  },
  snowflake: {
    key: 'snowflake/data_0_0_0.csv.gz',
    body: gzipSync('1,x\\, y,2026-01-02 03:04:05.000 -0800\n2,\\N,\\N\n'),
    query: 'select id, note, at::text from from_snowflake where id < 10 order by id',
    rows: [
      [1, 'x, y', '2026-01-02 11:04:05+00'],
      [2, null, null],
    ],
  },
  snowflake_quoted: {
    key: 'snowflake_quoted/data_0_0_0.csv.gz',
    body: gzipSync('11,"say ""hi"", C:\\dir","2026-01-02 03:04:05.000 -0800"\n12,\\N,\\N\n'),
    query: 'select id, note, at::text from from_snowflake where id > 10 order by id',
    rows: [
      [11, 'say "hi", C:\\dir', '2026-01-02 11:04:05+00'],
      [12, null, null],
    ],
  },
  mysql: {
    key: 'mysql/orders.txt',
    body: '1\ta\\tb\\\\c\t0000-00-00\n2\t\\N\t2026-01-02\n3\tline\\\nbreak\t\\N\n',
    query: 'select id, note, day::text from from_mysql order by id',
    rows: [
      [1, 'a\tb\\c', null],
      [2, null, '2026-01-02'],
      [3, 'line\nbreak', null],
    ],
  },
  bcp: {
    key: 'bcp/orders.txt',
    body: '1\t3" nail, ü\t1.50\r\n2\t\0\t\r\n',
    query: 'select id, note, price::text from from_bcp where id < 10 order by id',
    rows: [
      [1, '3" nail, ü', '1.50'],
      [2, null, null],
    ],
  },
  bcp_wide: {
    key: 'bcp_wide/orders.txt',
    body: utf16('11\tü\t1.50\r\n12\t\0\t\r\n'),
    query: 'select id, note, price::text from from_bcp where id > 10 order by id',
    rows: [
      [11, 'ü', '1.50'],
      [12, null, null],
    ],
  },
  ssms: {
    key: 'ssms/results.csv',
    body: '\ufeffid,name,at\r\n1,NULL,2026-01-02 03:04:05.000\r\n2,x,NULL\r\n',
    query: 'select id, name, at::text from from_ssms order by id',
    rows: [
      [1, null, '2026-01-02 03:04:05+00'],
      [2, 'x', null],
    ],
  },
  cloudfront: {
    key: 'cloudfront/EMLARXS9EXAMPLE.2019-12-04-21.RT4KCN4SGK9.gz',
    body: gzipSync(
      '#Version: 1.0\n#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) cs-uri-query\n' +
        '2019-12-04\t21:02:31\tLAX1\t392\t192.0.2.100\tGET\td111111abcdef8.cloudfront.net\t/index.html\t200\t-\tMozilla/5.0%20(X11)\t-\n',
    ),
    query: `select date::text, "sc-bytes", "cs(Host)", "sc-status", "cs(Referer)", "cs(User-Agent)" from cloudfront_log`,
    rows: [['2019-12-04', 392, 'd111111abcdef8.cloudfront.net', 200, null, 'Mozilla/5.0%20(X11)']],
  },
  alb: {
    key: 'alb/AWSLogs/123456789012/elasticloadbalancing/us-east-2/2018/07/02/app.log.gz',
    body: gzipSync(
      'http 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.46.0" - - arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337262-36d228ad5d99923122bbe354" "-" "-" 0 2018-07-02T22:22:48.364000Z "forward" "-" "-" "10.0.0.1:80" "200" "-" "-"\n' +
        'http 2018-11-30T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 - 0.000 0.001 0.000 502 - 34 366 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.46.0" - - arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 "Root=1-58337364-23a8c76965a2ef7629b185e3" "-" "-" 0 2018-11-30T22:22:48.364000Z "forward" "-" "LambdaInvalidResponse" "-" "-" "-" "-"\n',
    ),
    query:
      'select elb_status_code, target_status_code, target, request, domain_name, matched_rule_priority, request_creation_time::text from alb_log order by time',
    rows: [
      [
        200,
        '200',
        '10.0.0.1:80',
        'GET http://www.example.com:80/ HTTP/1.1',
        null,
        0,
        '2018-07-02 22:22:48.364+00',
      ],
      [502, null, null, 'GET http://www.example.com:80/ HTTP/1.1', null, 0, '2018-11-30 22:22:48.364+00'],
    ],
  },
  s3_log: {
    key: 's3_log/2019-02-06-00-10-00-3E57427F3EXAMPLE',
    body: '79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be amzn-s3-demo-bucket1 [06/Feb/2019:00:00:38 +0000] 192.0.2.3 79a59df900b949e55d96a1e698fbacedfd6e09d98eacf8f8d5218e7cd47ef2be 3E57427F3EXAMPLE REST.GET.VERSIONING - "GET /amzn-s3-demo-bucket1?versioning HTTP/1.1" 200 - 113 - 7 - "-" "S3Console/0.4" - s9lzHYrFp76ZVxRcpX9+5cjAnEH2ROuNkd2BHfIa6UkFVdtjf5mKR3/eTPFvsiP/XV/VLi31234= SigV4 ECDHE-RSA-AES128-GCM-SHA256 AuthHeader amzn-s3-demo-bucket1.s3.us-west-1.amazonaws.com TLSV1.2 arn:aws:s3:us-west-1:123456789012:accesspoint/example-AP Yes us-east-1\n',
    query: `select time::text, operation, key, request_uri, status, bytes_sent, object_size, referrer, user_agent from s3_log_times`,
    rows: [
      [
        '2019-02-06 00:00:38+00',
        'REST.GET.VERSIONING',
        null,
        'GET /amzn-s3-demo-bucket1?versioning HTTP/1.1',
        200,
        113,
        null,
        null,
        'S3Console/0.4',
      ],
    ],
  },
  vpc_flow: {
    key: 'vpc_flow/AWSLogs/123456789010/vpcflowlogs/us-east-1/2014/12/14/1.log.gz',
    body: gzipSync(
      'version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action log-status\n' +
        '2 123456789010 eni-1235b8ca123456789 172.31.16.139 172.31.16.21 20641 22 6 20 4249 1418530010 1418530070 ACCEPT OK\n' +
        '2 123456789010 eni-1235b8ca123456789 - - - - - - - 1431280876 1431280934 - NODATA\n',
    ),
    query:
      'select interface_id, dstport, bytes, start::text, "end"::text, log_status from vpc_flow order by start',
    rows: [
      ['eni-1235b8ca123456789', 22, 4249, '2014-12-14 04:06:50+00', '2014-12-14 04:07:50+00', 'OK'],
      ['eni-1235b8ca123456789', null, null, '2015-05-10 18:01:16+00', '2015-05-10 18:02:14+00', 'NODATA'],
    ],
  },
  inventory: {
    key: 'inventory/source/config/data/9f1c.csv.gz',
    body: gzipSync(
      '"source","a%20b.csv","12","2026-01-02T03:04:05.000Z","STANDARD"\n"source","a/","","2026-01-02T03:04:05.000Z",""\n',
    ),
    query: 'select key, size, last_modified::text, storage_class from inventory order by key',
    rows: [
      ['a%20b.csv', 12, '2026-01-02 03:04:05+00', 'STANDARD'],
      ['a/', null, '2026-01-02 03:04:05+00', null],
    ],
  },
  cloudtrail: {
    key: 'AWSLogs/111122223333/CloudTrail/eu-west-1/2026/01/02/111122223333_CloudTrail_eu-west-1_20260102T0305Z_x.json.gz',
    body: gzipSync(
      '{"Records":[{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/a"},"eventTime":"2026-01-02T03:04:05Z","eventName":"PutObject"},{"eventTime":"2026-01-02T03:04:06Z","eventName":"GetObject","userIdentity":{"type":"AWSService"}}]}',
    ),
    query: "select at::text, name, arn, raw->>'eventVersion' as version from api_calls order by at",
    rows: [
      ['2026-01-02 03:04:05+00', 'PutObject', 'arn:aws:iam::111122223333:user/a', '1.11'],
      ['2026-01-02 03:04:06+00', 'GetObject', null, null],
    ],
  },
  firehose: {
    key: 'clicks/2026/01/02/03/stream-1-2026-01-02-03-04-05-x',
    body: '{"id":1,"page":"/"}{"id":2,"page":"/a"}',
    query: 'select id, page from clicks order by id',
    rows: [
      [1, '/'],
      [2, '/a'],
    ],
  },
  costs: {
    key: 'costs/report/20260101-20260201/report-1.csv.gz',
    body: gzipSync(
      'identity/LineItemId,lineItem/UsageStartDate,lineItem/UnblendedCost,resourceTags/user:Name\nabc,2026-01-01T00:00:00Z,0.0000012345,\ndef,2026-01-01T01:00:00Z,1.5,web\n',
    ),
    query:
      'select identity_lineitemid, lineitem_usagestartdate::text, lineitem_unblendedcost, resourcetags_user_name from costs order by 1',
    rows: [
      ['abc', '2026-01-01 00:00:00+00', 0.0000012345, null],
      ['def', '2026-01-01 01:00:00+00', 1.5, 'web'],
    ],
  },
  dms: {
    key: 'dms/public/orders/LOAD00000001.csv',
    body: '1,"say ""hi"", you",2026-01-02 03:04:05.000000\n2,NULL,NULL\n3,,2026-01-02 03:04:05.000000\n',
    query: 'select id, note, at::text from from_dms order by id',
    rows: [
      [1, 'say "hi", you', '2026-01-02 03:04:05'],
      [2, null, null],
      [3, '', '2026-01-02 03:04:05'],
    ],
  },
  duckdb: {
    key: 'duckdb/year=2026/data_0.csv',
    body: 'id,tags,ok\n1,"[a, b]",true\n2,"",\n',
    query: 'select id, tags, ok, year from from_duckdb order by id',
    rows: [
      [1, '[a, b]', true, '2026'],
      [2, '', null, '2026'],
    ],
  },
  clickhouse: {
    key: 'clickhouse/out.csv',
    body: '"id","note","at"\n1,"say ""hi""","2026-01-02 03:04:05"\n2,\\N,"2026-01-02 03:04:06"\n',
    query: 'select id, note, at::text from from_clickhouse order by id',
    rows: [
      [1, 'say "hi"', '2026-01-02 03:04:05+00'],
      [2, null, '2026-01-02 03:04:06+00'],
    ],
  },
  german: {
    key: 'german/umsaetze.csv',
    body: latin1(
      'Umsatzanzeige;Datei erstellt am: 04.01.2026 10:00\r\n\r\nIBAN;DE00 1234\r\nKontoname;Girokonto\r\n\r\nBuchung;Valuta;Auftraggeber/Empf\xe4nger;Betrag\r\n02.01.2026;02.01.2026;"M\xfcller; S\xf6hne";-1.234,56\r\n03.01.2026;03.01.26;Caf\xe9;0,50\r\n',
    ),
    query: 'select buchung::text, valuta::text, auftraggeber_empfänger, betrag from german order by buchung',
    rows: [
      ['2026-01-02', '2026-01-02', 'Müller; Söhne', -1234.56],
      ['2026-01-03', '2026-01-03', 'Café', 0.5],
    ],
  },
  french: {
    key: 'french/releve.csv',
    body: latin1(
      'Date op\xe9ration;Libell\xe9;D\xe9bit euros\r\n\r\n02/01/2026;"CB L\'\xe9t\xe9";1 234,56\r\n13/01/2026;VIR;10,00\r\n',
    ),
    query: 'select date_opération::text, libellé, débit_euros from french order by 1',
    rows: [
      ['2026-01-02', "CB L'été", 1234.56],
      ['2026-01-13', 'VIR', 10],
    ],
  },
  brazilian: {
    key: 'brazilian/extrato.csv',
    body: latin1(
      'Data;Hist\xf3rico;Valor\r\n02/01/2026;Transfer\xeancia;-1.234,56\r\n31/01/2026;Dep\xf3sito;500,00\r\nSaldo final;;-734,56\r\n',
    ),
    query: 'select data::text, histórico, valor from brazilian order by 1',
    rows: [
      ['2026-01-02', 'Transferência', -1234.56],
      ['2026-01-31', 'Depósito', 500],
    ],
  },
  inches: {
    key: 'inches/1.csv',
    body: 'id,item,qty\n1,5" pipe,2\n2,elbow,3\n3,6" pipe,1\n',
    query: 'select id, item, qty from inches order by id',
    rows: [
      [1, '5" pipe', 2],
      [2, 'elbow', 3],
      [3, '6" pipe', 1],
    ],
  },
};

/** Files beside those to import, which the settings leave out. */
const BESIDE: Record<string, string> = {
  'spark/_SUCCESS': '',
  'redshift/manifest': '{"entries":[]}',
  'mysql/orders.sql': 'create table orders (id int);\n',
  'inventory/source/config/2026-01-02T00-00Z/manifest.json': '{}',
};

export function putSamples({ server }: World, bucket: string): void {
  for (const { key, body } of Object.values(SAMPLES)) server.store.put(bucket, key, body);
  for (const [key, body] of Object.entries(BESIDE)) server.store.put(bucket, key, body);
}

/** Compares the rows of every sample, once all connectors have settled. */
export async function compareSamples({ db }: World): Promise<void> {
  const names = await db.query<{ name: string }>('select name from s3_connector.connectors order by 1');
  assert.deepEqual(
    names.map(({ name }) => name),
    Object.keys(SAMPLES).sort(),
  );
  const loaded: Record<string, unknown> = {};
  for (const [name, { query, key }] of Object.entries(SAMPLES)) {
    const files = await db.query(
      'select key, status, error_message, notice from s3_connector.files where connector_name = $1',
      [name],
    );
    assert.deepEqual(files, [{ key, status: 'success', error_message: null, notice: null }]);
    const found = await db.query<{ row: Record<string, unknown> }>(
      `select to_json(t) as row from (${query}) t`,
    );
    loaded[name] = found.map(({ row }) => Object.values(row));
  }
  const expected = Object.entries(SAMPLES).map(([name, { rows }]) => [name, rows]);
  assert.deepEqual(loaded, Object.fromEntries(expected));
}
