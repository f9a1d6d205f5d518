import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { strToU8, zipSync } from 'fflate';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

let made = 0;
const nextName = () => `transformed_${++made}`;

async function load(
  body: string | Buffer,
  transform: string,
  { name = nextName(), ...columns }: Record<string, unknown> & { name?: string } = {},
) {
  const file = await world.importFile(name, body, {
    file_format: 'json',
    transform,
    max_attempts: 1,
    ...columns,
  });
  return { name, file };
}

const rowsOf = async (body: string | Buffer, transform: string, columns: Record<string, unknown> = {}) => {
  const { name, file } = await load(body, transform, columns);
  assert.equal(file.status, 'success', file.error_message ?? '');
  assert.deepEqual(await world.spooled(), []);
  return await db.query(`select * from ${name} order by 1`);
};

describe('a transform of JSON has a text for each key of any record', () => {
  const RECORDS = [
    '{"id": 1, "name": "a \\"b\\"\\n\\u00e9", "n": 1.10, "user": {"id": 7, "tags": ["x", "y"]}}',
    '{"id": 12345678901234567890123, "name": "\\\\N", "n": null, "late": true}',
    '{"id": 3, "name": ""}',
  ];
  const SELECT = `select id::hugeint::text as id, name, n, "user"->>'$.tags[1]' as tag, late from file`;
  const ROWS = [
    { id: '1', name: 'a "b"\né', n: '1.10', tag: 'y', late: null },
    { id: '12345678901234567890123', name: '\\N', n: null, tag: null, late: 'true' },
    { id: '3', name: '', n: null, tag: null, late: null },
  ];
  const bodies: Record<string, string | Buffer> = {
    'as lines': RECORDS.join('\n'),
    'as an array': `[\n${RECORDS.join(',\n')}]`,
    'of several lines': RECORDS.join('\n').replaceAll(', "', ',\n  "'),
    'in a gzip': gzipSync(RECORDS.join('\n')),
    'in a zip': Buffer.from(
      zipSync({ 'a.json': strToU8(RECORDS[0]!), 'b.json': strToU8(RECORDS.slice(1).join('')) }),
    ),
  };
  for (const [way, body] of Object.entries(bodies)) {
    if (way === 'in a zip') continue;
    test(way, async () => assert.deepEqual(await rowsOf(body, SELECT), ROWS));
  }

  test('in each entry of a zip', async () => {
    const rows = await rowsOf(bodies['in a zip']!, 'select id from file');
    assert.deepEqual(rows, [{ id: '1' }, { id: '12345678901234567890123' }, { id: '3' }]);
  });
});

test('keys that differ in upper and lower case alone get numbers, and a record of one null is a row', async () => {
  assert.deepEqual(await rowsOf('{"A":1,"a":2,"$.x":3}', 'select "A" as b, a_2 as a, "$.x" as x from file'), [
    { b: '1', a: '2', x: '3' },
  ]);
  assert.deepEqual(
    await rowsOf('{"a":null}\n{"a":1}\n{}\n', 'select count(*) as n, count(a) as values from file'),
    [{ n: 3, values: 1 }],
  );
});

test('a transform reads the records of a preset, with values from the key', async () => {
  const name = nextName();
  world.put(`${name}/day=1/a`, '{"Records":[{"eventName":"Get"},{"eventName":"Put"}]}');
  await world.insertConnector({
    name,
    pattern: `${name}/**`,
    target_table: name,
    file_format: 'cloudtrail',
    schedule: NEVER_AGAIN,
    hive_columns: ['day'],
    transform: 'select lower(eventName) as event from file',
  });
  const [file] = await world.settled(name);
  assert.equal(file!.error_message, null);
  assert.deepEqual(await db.query(`select event, day from ${name} order by 1`), [
    { event: 'get', day: '1' },
    { event: 'put', day: '1' },
  ]);
});

test('a record that is not valid fails the file, and names its line', async () => {
  const { file } = await load('{"a":1}\n{"a":\n{"a":3}\n', 'from file', { on_bad_row: 'skip' });
  assert.equal(file.error_code, 'invalid_json');
  assert.match(file.error_message!, /line 2/);
});

describe('a date_format that has no effect on JSON is refused', () => {
  const connector = { bucket: 'b', pattern: 'a/*', file_format: 'json', target_table: 't', state: 'paused' };
  const insert = (columns: Record<string, unknown>) =>
    world.insertConnector({ ...connector, ...columns } as never);
  const map = (name: string, source_column: string, date_format: string) =>
    db.query(
      'insert into s3_connector.column_mappings (connector_name, source_column, target_column, date_format) values ($1, $2, $2, $3)',
      [name, source_column, date_format],
    );

  test('of a mapping, but for a part of the key', async () => {
    await insert({ name: 'idle', hive_columns: ['day'] });
    await assert.rejects(map('idle', 'at', 'epoch_ms'), {
      code: '22023',
      message: /date_format must be null, server or a template/,
    });
    await map('idle', 'day', 'epoch');
    await map('idle', 'at', 'DD.MM.YYYY');
  });

  test('of a file format, and of a connector that changes to JSON', async () => {
    await assert.rejects(world.insertFormat({ name: 'idle_format', kind: 'json', date_format: 'DMY' }), {
      message: /date_format must be server, or a template/,
    });
    await insert({ name: 'becomes_json', file_format: 'csv' });
    await map('becomes_json', 'at', 'epoch');
    await assert.rejects(
      db.query("update s3_connector.connectors set file_format = 'json' where name = 'becomes_json'"),
      { message: /date_format must be null, server or a template/ },
    );
  });
});
