import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startStsServer } from '../../embedded/sts/server.ts';
import { call } from '../requests/support.ts';
import { parquetOf } from '../support/parquet.ts';
import { NEVER_AGAIN, openWorld } from '../support/world.ts';

// The connector needs only s3:ListBucket below the prefix and s3:GetObject (GetObject and HeadObject).

const world = await openWorld();
const { db, server, bucket } = world;
const ROLE = 'arn:aws:iam::111122223333:role/reader';
const sts = await startStsServer({
  credentials: world.credentials,
  roles: [{ arn: ROLE, trusts: ['reader'], externalId: 'p/s' }],
});
after(() => sts.close());
before(() => world.startWorker({ AWS_ENDPOINT_URL_STS: sts.endpoint, PROJECT_ID: 'p', SERVICE_ID: 's' }));

for (const access of [{ auth_method: 'worker' }, { auth_method: 'iam_role', role_arn: ROLE }] as const) {
  const name = access.auth_method;
  test(`a connector works from insert to drop: ${name}`, async () => {
    const prefix = `${name}/data/`;
    const put = (file: string, body: Buffer | string) => world.put(`${prefix}${file}`, body);
    put('2026/1.csv', 'n\n1\n');
    put('2026/2.csv', `n\n${'1\n'.repeat(50_000)}`);
    put('2026/3.csv', 'no number\nx\n');
    server.requests.reset();
    await db.query(`create table ${name} (n integer, id bigint)`);
    await world.insertConnector({
      name,
      pattern: `${prefix}**/*.csv`,
      target_table: name,
      file_id_column: 'id',
      schedule: NEVER_AGAIN,
      state: 'paused',
      ...access,
    });
    for (const ask of ['check', 'preview', 'audit']) await call(db, `call s3_connector.${ask}('${name}')`);
    await call(db, `call s3_connector.dry_run_file('${name}', '${prefix}2026/1.csv')`);
    // A download that breaks off, and an object that is overwritten after it was listed.
    server.faults.order({ operation: 'GetObject', key: `${prefix}2026/2.csv`, cut: 70_000 });
    server.faults.order({
      operation: 'GetObject',
      key: `${prefix}2026/1.csv`,
      before: () => server.store.put(bucket, `${prefix}2026/1.csv`, 'n\n1\n2\n'),
    });
    await db.query(`select s3_connector.resume('${name}')`);
    const statuses = async () => (await world.settled(name)).map(({ status }) => status);
    assert.deepEqual(await statuses(), ['success', 'success', 'failure']);
    put('2026/3.csv', 'n\n3\n');
    await db.query(`select s3_connector.retry('${name}')`);
    assert.deepEqual(await statuses(), ['success', 'success', 'success']);
    put('2025/late.csv', 'n\n5\n');
    await call(db, `call s3_connector.audit('${name}')`);
    await db.query(`select s3_connector.import_late('${name}')`);
    assert.deepEqual(await statuses(), ['success', 'success', 'success', 'success']);
    await db.query(`select s3_connector.reimport_file('${name}', '${prefix}2026/1.csv')`);
    await statuses();

    put('2026/4.parquet', await parquetOf('select range::integer as n from range(2000000)'));
    await db.query(`create table ${name}_parquet (n integer)`);
    await world.insertConnector({
      name: `${name} parquet`,
      pattern: `${prefix}**/*.parquet`,
      target_table: `${name}_parquet`,
      file_format: 'parquet',
      schedule: NEVER_AGAIN,
      ...access,
    });
    await call(db, `call s3_connector.preview('${name} parquet')`);
    const [file] = await world.settled(`${name} parquet`);
    assert.equal(file!.rows_imported, 2_000_000, file!.error_message ?? '');

    const { recent } = server.requests;
    assert.ok(recent.length > 15 && recent.length < 1000, `${recent.length} requests are in the log`);
    assert.deepEqual([...new Set(recent.map(({ operation }) => operation))].sort(), [
      'GetObject',
      'HeadObject',
      'ListObjectsV2',
    ]);
    for (const { operation, query, key, headers } of recent) {
      assert.equal(headers['x-amz-security-token'] !== undefined, name === 'iam_role');
      if (operation === 'ListObjectsV2') assert.ok(query.prefix!.startsWith(prefix), query.prefix);
      else assert.ok(key!.startsWith(prefix), key);
    }
  });
}
