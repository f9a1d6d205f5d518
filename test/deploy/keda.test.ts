import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { COMMANDS } from '../../src/cli/commands.ts';
import { testDatabase } from '../support/database.ts';

// No cluster is available here: only what can be checked without one is checked.
const read = (path: string) => readFile(new URL(`../../deploy/${path}`, import.meta.url), 'utf8');

// biome-ignore lint/suspicious/noExplicitAny: as deep and as varied as KEDA's own types.
type Manifest = any;

const kustomization: Manifest = parse(await read('keda/kustomization.yaml'));
const [scaled, authentication] = parseAllDocuments(await read('keda/scaling.yaml')).map((document) => {
  assert.deepEqual(document.errors, []);
  return document.toJS() as Manifest;
});
const inBase = async (file: string): Promise<Manifest[]> =>
  parseAllDocuments(await read(`kubernetes/${file}`)).map((document) => document.toJS());

test("KEDA's object scales the worker, in the place of the autoscaler of the base", async () => {
  assert.deepEqual(kustomization.resources, ['../kubernetes', 'scaling.yaml']);
  const [autoscaler] = await inBase('scaling.yaml');
  const { $patch, ...removed } = parse(kustomization.patches[0].patch);
  assert.equal($patch, 'delete');
  assert.deepEqual(removed, {
    apiVersion: autoscaler.apiVersion,
    kind: autoscaler.kind,
    metadata: { name: autoscaler.metadata.name },
  });
  const deployments = (await inBase('worker.yaml')).filter(({ kind }) => kind === 'Deployment');
  assert.deepEqual(
    deployments.map(({ metadata }) => metadata.name),
    [scaled.spec.scaleTargetRef.name],
  );
  const { minReplicaCount, maxReplicaCount, fallback } = scaled.spec;
  assert.deepEqual(
    [minReplicaCount, maxReplicaCount],
    [autoscaler.spec.minReplicas, autoscaler.spec.maxReplicas],
  );
  assert.ok(fallback.replicas >= minReplicaCount);
});

test('KEDA signs in with a secret of its own, which is in no manifest and no setting of the worker', async () => {
  const [trigger] = scaled.spec.triggers;
  assert.equal(trigger.authenticationRef.name, authentication.metadata.name);
  const [secret] = authentication.spec.secretTargetRef;
  assert.deepEqual([secret.parameter, secret.name], ['connection', 's3-connector']);
  assert.ok((await read('keda/kustomization.yaml')).includes(`--from-literal=${secret.key}=`));
  assert.ok(COMMANDS.every(({ settings }) => !(secret.key in settings)));
});

test("KEDA's query counts for a reader what waits and what runs, of running connectors", async () => {
  const db = await testDatabase();
  const [{ metadata }] = scaled.spec.triggers;
  assert.ok(Number(metadata.targetQueryValue) > 0);
  const role = await db.createRole();
  await db.query(`grant s3_connector_reader to ${role.name}`);
  const client = await db.connect(role);
  const ask = async () => {
    const { rows } = await client.query<Record<string, unknown>>(metadata.query);
    assert.equal(rows.length, 1);
    return Object.values(rows[0]!);
  };
  assert.deepEqual(await ask(), [0]);
  for (const [name, state] of [
    ['on', 'running'],
    ['off', 'paused'],
  ]) {
    await db.query(
      `insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table, state)
        values ($1, 'some-bucket', '**', 'csv', 't', $2)`,
      [name, state],
    );
    await db.query(
      `insert into s3_connector.files (connector_name, key, etag, size_bytes, last_modified, status)
        select $1, status, 'e', 1, now(), status::s3_connector.file_status
        from unnest(array['in_queue', 'pending_retry', 'running', 'failure', 'cancelled']) status`,
      [name],
    );
  }
  assert.deepEqual(await ask(), [3]);
});
