import assert from 'node:assert/strict';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { call } from '../requests/support.ts';
import { openWorld } from '../support/world.ts';

// A quote within a value swallows the rows up to the next one, in silence, as for COPY. The file is imported, with a notice.

const world = await openWorld();
const { db } = world;

const WAYS: Record<
  string,
  { env: Record<string, string>; connector?: Record<string, unknown>; isNormalized?: boolean }
> = {
  'parsed by PostgreSQL': { env: { ENCODE_CSV_FROM_BYTES: '1000000000' } },
  'with a constant column': {
    env: { ENCODE_CSV_FROM_BYTES: '1000000000' },
    connector: { file_id_column: 'file_id' },
  },
  encoded: { env: { ENCODE_CSV_FROM_BYTES: '0' } },
  normalized: { env: {}, isNormalized: true },
  'with bad rows': { env: {}, connector: { on_bad_row: 'skip' } },
};

const many = (count: number, from: number) =>
  Array.from({ length: count }, (_, n) => `${from + n},plain,1\n`).join('');

const SWALLOWING: Record<string, [file: string | Buffer, lines: string]> = {
  'inches of two pipes': ['id,item,qty\n1,5" pipe,2\n2,elbow,3\n3,6" pipe,1\n4,elbow,9\n', '2 to 4'],
  'inches of the last two rows': ['id,item,qty\n1,a,2\n2,5" pipe,3\n3,6" pipe,1', '3 to 4'],
  'a quote that begins a value': ['id,item,qty\n1,"x,2\n2,y,3\n3,y" z,1\n', '2 to 4'],
  'line ends of Windows': ['id,item,qty\r\n1,5" pipe,2\r\n3,6" pipe,1\r\n', '2 to 3'],
  'thousands of rows': [`id,item,qty\n1,5" pipe,2\n${many(9000, 2)}9002,6" pipe,1\n`, '2 to 9003'],
  'a late row, compressed': [
    gzipSync(`id,item,qty\n${many(9000, 1)}9001,5" pipe,2\n9002,6" pipe,1\n`),
    '9002 to 9003',
  ],
};

const HARMLESS: Record<string, string> = {
  'texts with line ends': 'id,item,qty\n1,"a\nb",2\n2,"say ""x\n"" y",3\n3,"\n""",1\n4, "blank\naround" ,1\n',
  'inches within a row': 'id,item,qty\n1,5" pipe or 6" pipe,2\n2,"x" y,3\n',
  'large texts': `id,item,qty\n1,"${'a ""quoted"" line\n'.repeat(9000)}",2\n`,
};

let made = 0;

async function importFile(file: string | Buffer, way: (typeof WAYS)[string]) {
  const name = `stray_${++made}`;
  await db.query(`create table ${name} (id integer, item text, qty integer, file_id bigint)`);
  await world.insertFormat({ name, null_values: way.isNormalized ? ['', 'NULL'] : [''] });
  const imported = await world.importFile(name, file, { file_format: name, ...way.connector });
  const { notice } = await db.one<{ notice: string | null }>(
    'select notice from s3_connector.files where connector_name = $1',
    [name],
  );
  return { name, status: imported.status, message: imported.error_message, notice };
}

for (const [how, way] of Object.entries(WAYS)) {
  test(`a file with rows in quotes of another value has a notice: ${how}`, async () => {
    await world.stopWorkers();
    await world.startWorker(way.env);
    for (const [what, [file, lines]] of Object.entries(SWALLOWING)) {
      // A bad row, for the way that reads the file in batches.
      const bad =
        how === 'with bad rows' && !Buffer.isBuffer(file) && !file.includes('\r') && file.endsWith('\n');
      const { status, message, notice } = await importFile(bad ? `${file}x,bad,1\n` : file, way);
      assert.equal(status, 'success', `${what}: ${message}`);
      assert.match(notice ?? '', new RegExp(`lines ${lines} .*csv_quote ''`), what);
    }
  });

  test(`quotes that a program wrote give no notice: ${how}`, async () => {
    for (const [what, file] of Object.entries(HARMLESS)) {
      const { status, message, notice } = await importFile(file, way);
      assert.deepEqual([status, notice], ['success', null], `${what}: ${message}`);
    }
  });
}

test('check and preview show it, and without quotes the rows are all there', async () => {
  const name = 'pipes';
  await db.query(`create table ${name} (id integer, item text, qty integer)`);
  world.put(`${name}/1.csv`, SWALLOWING['inches of two pipes']![0]);
  await world.insertConnector({ name, pattern: `${name}/*`, target_table: name, state: 'paused' });
  const check = await call(db, `call s3_connector.check('${name}')`);
  const steps = await db.query<{ ok: boolean; hint: string | null }>(
    "select ok, hint from s3_connector.checks where connector_name = 'pipes' and step = 'rows'",
  );
  assert.equal(steps[0]?.ok, true, JSON.stringify(check.notices));
  assert.match(steps[0]?.hint ?? '', /lines 2 to 4 .*csv_quote ''/);
  const { notices } = await call(db, `call s3_connector.preview('${name}')`);
  assert.match(JSON.stringify(notices), /lines 2 to 4/);
  await db.query(
    "insert into s3_connector.file_formats (name, kind, csv_quote) values ('unquoted', 'csv', '')",
  );
  await db.query("update s3_connector.connectors set file_format = 'unquoted' where name = 'pipes'");
  await db.query("select s3_connector.resume('pipes')");
  const [file] = await world.settled(name);
  assert.deepEqual([file!.status, file!.rows_imported], ['success', 4]);
  const rows = await db.query('select notice from s3_connector.files where connector_name = $1', [name]);
  assert.deepEqual(rows, [{ notice: null }]);
});
