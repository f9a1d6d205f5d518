import assert from 'node:assert/strict';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, test } from 'node:test';
import { startBucketServer } from '../../embedded/bucket/server.ts';
import { readConfig } from '../../src/config.ts';
import { ConnectorError } from '../../src/errors.ts';
import { compareKeys } from '../../src/keys.ts';
import { S3Sources } from '../../src/sources/s3.ts';
import { readEntries } from '../../src/sources/s3_entries.ts';
import type { Source } from '../../src/sources/source.ts';

const BUCKET = 'listed';
const server = await startBucketServer();
after(() => server.close());
server.store.createBucket(BUCKET);

/** The document that the server below sends for every request. */
let answer = '';
const speaker = createServer((_, response) => {
  response.writeHead(200, { 'content-type': 'application/xml' }).end(answer);
});
await new Promise<void>((resolve) => speaker.listen(0, '127.0.0.1', resolve));
after(() => speaker.close().closeAllConnections());
const speakerUrl = `http://127.0.0.1:${(speaker.address() as AddressInfo).port}`;

const sources = new S3Sources(
  readConfig({ DATABASE_URL: '-', S3_ALLOWED_ENDPOINTS: `${server.endpoint},${speakerUrl}` }),
);
after(() => sources.close());
const open = (endpoint: string) =>
  sources.open({
    name: 'listing',
    bucket: BUCKET,
    region: 'us-east-1',
    endpoint,
    auth_method: 'anonymous',
    role_arn: null,
  });

async function listAll(source: Source, prefix: string, delimiter?: '/', startAfter: string | null = null) {
  const pages = await Array.fromAsync(source.list({ prefix, delimiter, startAfter }));
  return {
    pages: pages.length,
    keys: pages.flatMap(({ objects }) => objects.map(({ key }) => key)),
    lastKeys: pages.map(({ lastKey }) => lastKey),
  };
}

const ODD_NAMES = [
  ' leading and  double spaces ',
  'plus+percent%41%2B%',
  `quotes"and'apostrophes`,
  '&amp;<tag attr="x">]]>&#x41;',
  'control\u0001\u001b\u007f, \t, \n, \r\n',
  'é ü ﬁ',
  '\u{1f600} beyond the first plane \u{10ffff}',
  '\uff5e \ufffe \uffff',
  '*~!()-_.$@=;:,?#[]{}|\\^`',
  '..',
];

test('keys with all characters are decoded, with and without folders', async () => {
  const odd = ODD_NAMES.map((name) => `odd/${name}`);
  const inside = ODD_NAMES.map((name) => `odd/f ${name}/x`);
  for (const key of [...odd, ...inside]) server.store.put(BUCKET, key, 'x');
  const source = open(server.endpoint);
  const all = await listAll(source, 'odd/');
  assert.deepEqual(all.keys, [...odd, ...inside].sort(compareKeys));
  assert.deepEqual(all.lastKeys, [all.keys.at(-1)]);
  const flat = await listAll(source, 'odd/', '/');
  assert.deepEqual(flat.keys, [...odd].sort(compareKeys));
  // A page may end with a folder: a later listing continues after it.
  const folders = await listAll(source, 'odd/f', '/');
  assert.deepEqual(folders.keys, []);
  assert.deepEqual(folders.lastKeys, [
    inside
      .map((key) => key.slice(0, -1))
      .sort(compareKeys)
      .at(-1),
  ]);
  for (const key of all.keys) {
    const { keys } = await listAll(source, 'odd/', undefined, key);
    assert.deepEqual(keys, all.keys.slice(all.keys.indexOf(key) + 1), `after ${JSON.stringify(key)}`);
  }
});

test('several pages form one listing, with and without folders', async () => {
  const name = (n: number) => String(n).padStart(4, '0');
  const keys = Array.from({ length: 2100 }, (_, n) => `pages/${name(n)}${n % 3 === 0 ? '/x' : ''}`);
  for (const key of keys) server.store.put(BUCKET, key, 'x');
  const source = open(server.endpoint);
  const all = await listAll(source, 'pages/');
  assert.deepEqual([all.pages, all.keys], [3, keys]);
  assert.deepEqual(all.lastKeys, [keys[999], keys[1999], keys[2099]]);
  const flat = await listAll(source, 'pages/', '/');
  assert.deepEqual([flat.pages, flat.keys], [3, keys.filter((key) => !key.endsWith('/x'))]);
  assert.deepEqual(flat.lastKeys, ['pages/0999/', keys[1999], keys[2099]]);
});

test('an empty page has neither keys nor a last key', async () => {
  const empty = await listAll(open(server.endpoint), 'nothing/');
  assert.deepEqual(empty, { pages: 1, keys: [], lastKeys: [null] });
});

const entry = (key: string) =>
  `<Contents><Key>${key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>&quot;e&quot;</ETag><Size>1</Size></Contents>`;
const page = (content: string) =>
  `<?xml version="1.0" encoding="UTF-8"?>\n<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${content}</ListBucketResult>`;
const whole = page(
  `<KeyCount>2</KeyCount><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>${entry('a')}${entry('b')}`,
);

test('keys of a server that does not encode them are not decoded', async () => {
  answer = page(`<IsTruncated>false</IsTruncated>${entry('a+b%20c &amp; d')}`);
  assert.deepEqual((await listAll(open(speakerUrl), '')).keys, ['a+b%20c & d']);
});

/** Two entries, written in other forms than S3's own. */
const WRITINGS: Record<string, (a: string, b: string) => string> = {
  'as S3 writes them': (a, b) => entry(a) + entry(b),
  'with line ends between': (a, b) => `\n  ${entry(a)}\n  ${entry(b)}\n`,
  'with an owner': (a, b) =>
    (entry(a) + entry(b)).replaceAll('<Size>', '<Owner><ID>x</ID><Key>not this</Key></Owner><Size>'),
  'with attributes': (a, b) => (entry(a) + entry(b)).replaceAll('<Key>', '<Key xml:space="preserve">'),
  'with comments': (a, b) => `${entry(a)}<!-- <Contents> -->${entry(b)}`,
  'with numeric entities': (a, b) => (entry(a) + entry(b)).replaceAll('&amp;', '&#x26;'),
  'with elements that nobody knows': (a, b) =>
    (entry(a) + entry(b)).replaceAll('<Size>', '<constructor>x</constructor><Size>'),
  'with folders between': (a, b) =>
    `${entry(a)}<CommonPrefixes><Prefix>folder/</Prefix></CommonPrefixes>${entry(b)}`,
};

for (const [how, write] of Object.entries(WRITINGS)) {
  test(`entries are read ${how}`, async () => {
    answer = page(`<IsTruncated>false</IsTruncated>${write('a &amp; &lt;', 'b')}`);
    const [listed] = await Array.fromAsync(
      open(speakerUrl).list({ prefix: '', delimiter: undefined, startAfter: null }),
    );
    const rest = { etag: '"e"', sizeBytes: 1, lastModified: new Date('2026-01-01T00:00:00Z') };
    assert.deepEqual(listed?.objects, [
      { key: 'a & <', ...rest },
      { key: 'b', ...rest },
    ]);
  });
}

test('the storage class of an object is listed, also if the SDK parses the entry', async () => {
  const archived = entry('a').replace('</Contents>', '<StorageClass>GLACIER</StorageClass></Contents>');
  for (const form of [archived, archived.replace('<Key>', '<Key xml:space="preserve">')]) {
    answer = page(`<IsTruncated>false</IsTruncated>${form}${entry('b')}`);
    const [listed] = await Array.fromAsync(
      open(speakerUrl).list({ prefix: '', delimiter: undefined, startAfter: null }),
    );
    assert.deepEqual(
      listed?.objects.map(({ storageClass }) => storageClass),
      ['GLACIER', undefined],
    );
  }
});

test("entries in S3's usual form are read here, and the SDK parses everything ambiguous", () => {
  const plain = page(`<IsTruncated>false</IsTruncated>${entry('a')}${entry('b')}`);
  const taken = readEntries(plain);
  assert.deepEqual(
    taken?.entries.map(({ Key }) => Key),
    ['a', 'b'],
  );
  assert.equal(taken?.rest, page('<IsTruncated>false</IsTruncated>'));
  for (const other of [
    entry('&#0;'),
    entry('&#xD800;'),
    entry('&#1114112;'),
    entry('&#xFFFFFFF;'),
    entry('&#;'),
    entry('&#x;'),
    entry('&#3a;'),
    entry('a').replace('<Size>1<', '<Size>1.5<'),
    entry('a').replace('<Size>1<', '<Size>-1<'),
    entry('a').replace('00:00Z', '00:00+01:00').replace('00:00.000Z', '00:00+01:00'),
    entry('a').replace('<Size>', '<Key>b</Key><Size>'),
    entry('&unknown;'),
    entry('a & b'),
    entry('a\r\nb'),
    entry('<![CDATA[a]]>'),
    entry('a').replace('<Key>a</Key>', '<Key/>'),
    entry('a').replace('</Contents>', ''),
  ]) {
    assert.equal(readEntries(page(other)), null, other);
  }
});

test('the next page is asked for with the token alone, decoded if the server encodes it like keys', async () => {
  const asked: URLSearchParams[] = [];
  const agents: unknown[] = [];
  const pages = [
    page(
      `<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>b%2F%C3%A9+1</NextContinuationToken>${entry('b')}`,
    ),
    page(`<IsTruncated>false</IsTruncated>${entry('c')}`),
  ];
  const count = (request: IncomingMessage) => {
    asked.push(new URL(request.url!, speakerUrl).searchParams);
    agents.push([request.headers['user-agent'], request.headers['x-amz-user-agent']]);
    answer = pages[asked.length - 1]!;
  };
  speaker.prependListener('request', count);
  const listed = await listAll(open(speakerUrl), '', undefined, 'a').finally(() =>
    speaker.off('request', count),
  );
  assert.deepEqual(listed.keys, ['b', 'c']);
  assert.deepEqual(
    asked.map((query) => [query.get('start-after'), query.get('continuation-token')]),
    [
      ['a', null],
      [null, 'b/\u00e9 1'],
    ],
  );
  assert.deepEqual(agents, Array(2).fill(['pg-s3-connector', undefined]));
});

test('numeric character references are read here, to what the SDK reads', async () => {
  const written = entry('&#x2F;&#47;&#34;&#39;&#65;&#xE9;').replaceAll('&quot;', '&#34;');
  const [taken] = readEntries(page(written))?.entries ?? [];
  assert.deepEqual([taken?.Key, taken?.ETag], ['//"\'A\u00e9', '"e"']);
  // The SDK loses these.
  assert.equal(readEntries(page(entry('&#x1F600;&#128512;')))?.entries[0]?.Key, '\u{1f600}\u{1f600}');
  // A CDATA section in another element makes the SDK parse the whole answer.
  const parsedBySdk = written.replace('</Contents>', '<Owner><![CDATA[x]]></Owner></Contents>');
  const bySdk: unknown[] = [];
  for (const entries of [written, parsedBySdk]) {
    answer = page(`<IsTruncated>false</IsTruncated>${entries}`);
    assert.equal(readEntries(answer) === null, entries === parsedBySdk);
    const list = open(speakerUrl).list({ prefix: '', delimiter: undefined, startAfter: null });
    bySdk.push((await Array.fromAsync(list))[0]?.objects);
  }
  assert.deepEqual(bySdk[0], bySdk[1]);
});

for (const [what, document, says] of [
  ['is cut between entries', whole.slice(0, whole.indexOf('<Contents><Key>b')), /./],
  ['is cut within an entry', whole.slice(0, -50), /./],
  [
    'is cut and closed again',
    page(`<KeyCount>2</KeyCount><IsTruncated>false</IsTruncated>${entry('a')}`),
    /2 keys.* has 1/,
  ],
  ['is empty', '', /whether more keys follow/],
  ['is another document', '<html><body>Please log in</body></html>', /whether more keys follow/],
  ['is no document', 'try again later', /./],
  ['has no token', page(`<IsTruncated>true</IsTruncated>${entry('a')}`), /no token/],
  [
    'has an entry without a key',
    page(`<IsTruncated>false</IsTruncated><Contents><Size>1</Size></Contents>`),
    /no key/,
  ],
  [
    'has an entry without a size',
    page(`<IsTruncated>false</IsTruncated>${entry('a').replace(/<Size>.*<\/Size>/, '')}`),
    /the entry a has no size/,
  ],
  [
    'has a key that is not encoded',
    page(`<EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>${entry('100%')}`),
    /100% is not URL-encoded/,
  ],
] as const) {
  test(`an answer that ${what} fails, and is not taken for a listing`, async () => {
    answer = whole;
    assert.deepEqual((await listAll(open(speakerUrl), '')).keys, ['a', 'b']);
    answer = document;
    await assert.rejects(listAll(open(speakerUrl), ''), (error) => {
      assert.ok(error instanceof ConnectorError);
      assert.deepEqual([error.code, error.passing], ['source_unavailable', true]);
      assert.match(error.message, says);
      return true;
    });
  });
}
