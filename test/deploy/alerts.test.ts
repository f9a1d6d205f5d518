import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parse } from 'yaml';
import { parseExposition, seriesNames } from '../metrics/exposition.ts';
import { openWorld } from '../support/world.ts';

const RULES = new URL('../../deploy/prometheus/alerts.yml', import.meta.url);

interface Rule {
  alert: string;
  expr: string;
  for?: string;
  labels: { severity: string };
  annotations: { summary: string; description: string };
}

const { groups }: { groups: { name: string; rules: Rule[] }[] } = parse(await readFile(RULES, 'utf8'));
const rules = groups.flatMap((group) => group.rules);

test('every metric and label of the alert rules is in /metrics', async () => {
  const world = await openWorld();
  world.put('alert/1.csv', 'a\n1\n');
  await world.db.query('create table alert (a integer)');
  const worker = await world.startWorker({ METRICS_PORT: '0' });
  const { port } = await worker.logged('serving metrics');
  await world.insertConnector({ name: 'alert', pattern: 'alert/*', target_table: 'alert' });
  await world.settled('alert');
  const metrics = parseExposition(await (await fetch(`http://127.0.0.1:${port}/metrics`)).text());
  const known = seriesNames(metrics);
  // Prometheus itself adds the labels of the scraped target.
  const labelsOf = (name: string) =>
    new Set(['instance', ...(metrics.get(name)?.samples ?? []).flatMap(({ labels }) => Object.keys(labels))]);
  for (const { alert, expr } of rules) {
    const used = [...expr.matchAll(/(s3_connector_\w+)(?:\{([^}]*)\})?/g)];
    assert.ok(used.length > 0, alert);
    for (const [, name, matchers = ''] of used) {
      assert.ok(known.has(name!), `${alert}: ${name}`);
      for (const [, label] of matchers.matchAll(/(\w+)=/g))
        assert.ok(labelsOf(name!).has(label!), `${alert}: ${name} has no ${label}`);
      for (const [, by] of expr.matchAll(/by \(([^)]*)\)/g))
        for (const label of by!.split(', '))
          assert.ok(labelsOf(name!).has(label), `${alert}: ${name} by ${label}`);
    }
  }
});

test('metrics of the database are not summed over workers', () => {
  const summed = /sum(?: by \([^)]*\))? ?\((?!rate\()[^)]*s3_connector_(?!worker_)/;
  assert.match('sum by (connector) (s3_connector_files)', summed);
  for (const { alert, expr } of rules) assert.doesNotMatch(expr, summed, alert);
});

test('every alert has a severity, a meaning and an action, once', () => {
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  for (const { alert, expr, labels, annotations, for: wait } of rules) {
    assert.match(labels.severity, /^(critical|warning)$/, alert);
    assert.match(annotations.summary, /\.$/, alert);
    assert.match(annotations.description, /\.$/, alert);
    if (wait !== undefined) assert.match(wait, /^\d+[smh]$/, alert);
    assert.equal(expr.split('(').length, expr.split(')').length, alert);
    const labelsShown = [...annotations.summary.matchAll(/\$labels\.(\w+)/g)].map(([, label]) => label!);
    for (const label of labelsShown) if (label !== 'instance') assert.ok(expr.includes(label), alert);
  }
});

test('failures that would otherwise stay unnoticed have an alert', () => {
  const names = rules.map(({ alert }) => alert.replace('S3Connector', ''));
  for (const name of [
    'FilesFailed',
    'ImportStuck',
    'Behind',
    'PollLate',
    'NoWorkerAlive',
    'LateFiles',
    'SpoolDiskFull',
  ])
    assert.ok(names.includes(name), name);
});
