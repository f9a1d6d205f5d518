import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parse, parseAllDocuments } from 'yaml';
import { COMMANDS } from '../../src/cli/commands.ts';
import { readConfig } from '../../src/config.ts';
import { version } from '../../src/version.ts';
import { isKnownSetting, isPinned } from './settings.ts';

// No cluster is available here: only what can be checked without one is checked.
const FOLDER = new URL('../../deploy/kubernetes/', import.meta.url);
const { resources }: { resources: string[] } = parse(
  await readFile(new URL('kustomization.yaml', FOLDER), 'utf8'),
);

// biome-ignore lint/suspicious/noExplicitAny: as deep and as varied as Kubernetes' own types.
type Manifest = any;

const manifests: Manifest[] = [];
for (const file of resources) {
  for (const document of parseAllDocuments(await readFile(new URL(file, FOLDER), 'utf8'))) {
    assert.deepEqual(document.errors, [], file);
    manifests.push(document.toJS());
  }
}
const find = (kind: string, name: string): Manifest =>
  manifests.find((one) => one.kind === kind && one.metadata.name === name);
const worker = find('Deployment', 's3-connector-worker');
const page = find('Deployment', 's3-connector-console');
const containerOf = (deployment: Manifest): Manifest => deployment.spec.template.spec.containers[0];
const settingOf = (deployment: Manifest, name: string): string =>
  containerOf(deployment).env.find((one: Manifest) => one.name === name).value;

test('every manifest of the folder is in the kustomization, once', async () => {
  const files = (await readdir(FOLDER)).filter((name) => name !== 'kustomization.yaml');
  assert.deepEqual(files.sort(), resources.toSorted());
  const names = manifests.map(({ kind, metadata }) => `${kind}/${metadata.name}`);
  assert.equal(new Set(names).size, names.length);
  for (const { apiVersion, kind, metadata } of manifests) assert.ok(apiVersion && kind && metadata.name);
});

test('selectors match their pods, and the scaling and disruption rules name the worker', () => {
  for (const { spec } of [worker, page])
    assert.deepEqual(spec.selector.matchLabels, spec.template.metadata.labels);
  assert.deepEqual(find('PodDisruptionBudget', 's3-connector-worker').spec.selector, worker.spec.selector);
  const { spec: scaling } = find('HorizontalPodAutoscaler', 's3-connector-worker');
  assert.equal(scaling.scaleTargetRef.name, worker.metadata.name);
  assert.ok(scaling.minReplicas >= 2 && scaling.maxReplicas > scaling.minReplicas);
  assert.ok(!('replicas' in worker.spec), 'each apply would undo the autoscaler');
  assert.ok(find('ServiceAccount', worker.spec.template.spec.serviceAccountName));
  assert.deepEqual(find('Service', 's3-connector-console').spec.selector, page.spec.selector.matchLabels);
});

test('containers run this version, an existing command, and known settings', () => {
  for (const deployment of [worker, page]) {
    const { image, args, env } = containerOf(deployment);
    assert.ok(isPinned(image) && image.endsWith(`:${version}`), image);
    assert.ok(COMMANDS.some(({ name }) => name === args[0]));
    for (const { name, value, valueFrom } of env) {
      assert.ok(isKnownSetting(name), name);
      assert.ok(
        value === undefined || !/SECRET|TOKEN|DATABASE_URL|ACCESS_KEY/.test(name),
        `${name} is in the manifest`,
      );
      if (value === undefined) assert.equal(valueFrom.secretKeyRef.name, 's3-connector');
    }
  }
  const env = Object.fromEntries(
    containerOf(worker).env.map(({ name, value }: Manifest) => [name, value ?? 'postgres://x']),
  );
  assert.ok(readConfig(env).metrics);
});

test('the worker has probes on its ports, a grace time, space for its spool, and no capabilities', () => {
  const { spec } = worker.spec.template;
  const container = containerOf(worker);
  const config = readConfig({
    DATABASE_URL: 'postgres://x',
    METRICS_PORT: settingOf(worker, 'METRICS_PORT'),
    WORKER_CONCURRENCY: settingOf(worker, 'WORKER_CONCURRENCY'),
    SHUTDOWN_GRACE_SECONDS: settingOf(worker, 'SHUTDOWN_GRACE_SECONDS'),
  });
  assert.equal(container.ports[0].containerPort, config.metrics!.port);
  assert.equal(worker.spec.template.metadata.annotations['prometheus.io/port'], String(config.metrics!.port));
  for (const probe of ['startupProbe', 'readinessProbe', 'livenessProbe']) {
    assert.deepEqual(container[probe].httpGet, { path: '/healthz', port: 'metrics' });
    assert.ok(container[probe].timeoutSeconds > 5, 'the worker itself waits 5 s for the database');
  }
  assert.ok(spec.terminationGracePeriodSeconds * 1000 > config.graceMs);
  const spool = spec.volumes.find((one: Manifest) => one.name === container.volumeMounts[0].name);
  assert.ok(Number.parseInt(spool.emptyDir.sizeLimit, 10) > config.concurrency);
  assert.equal(container.volumeMounts[0].mountPath, '/spool');
  for (const deployment of [worker, page]) {
    const { spec: pod } = deployment.spec.template;
    assert.equal(pod.securityContext.runAsNonRoot, true);
    assert.equal(pod.automountServiceAccountToken, false);
    const { securityContext, resources: limits } = containerOf(deployment);
    assert.equal(securityContext.readOnlyRootFilesystem, true);
    assert.equal(securityContext.allowPrivilegeEscalation, false);
    assert.deepEqual(securityContext.capabilities.drop, ['ALL']);
    assert.ok(limits.limits.memory && limits.requests.cpu);
  }
});
