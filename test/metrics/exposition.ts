import assert from 'node:assert/strict';

/** A metric in Prometheus' text format. */
export interface ParsedFamily {
  name: string;
  type: string;
  help: string;
  samples: ParsedSample[];
}

export interface ParsedSample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\["\\n])*)"(?:,|$)/y;

/**
 * Reads the text format 0.0.4, strictly: HELP, TYPE, then the samples of the metric, each metric once, no series twice.
 * @throws AssertionError if a line does not have the format
 */
export function parseExposition(text: string): Map<string, ParsedFamily> {
  assert.ok(text.endsWith('\n'), 'the last line must end, too');
  const families = new Map<string, ParsedFamily>();
  const series = new Set<string>();
  let family: ParsedFamily | undefined;
  for (const line of text.slice(0, -1).split('\n')) {
    const [, keyword, name, rest] = /^# (HELP|TYPE) (\S+) (.*)$/.exec(line) ?? [];
    if (keyword === 'HELP') {
      assert.ok(NAME.test(name!) && !families.has(name!), line);
      family = { name: name!, type: 'untyped', help: rest!, samples: [] };
      families.set(name!, family);
    } else if (keyword === 'TYPE') {
      assert.ok(family && family.name === name && family.samples.length === 0, line);
      assert.match(rest!, /^(counter|gauge|histogram|summary|untyped)$/, line);
      family.type = rest!;
    } else {
      assert.ok(family, `a sample before any HELP: ${line}`);
      const sample = parseSample(line);
      assert.ok(endings(family).includes(sample.name.slice(family.name.length)), line);
      assert.ok(sample.name.startsWith(family.name), line);
      const key = JSON.stringify([sample.name, Object.entries(sample.labels).sort()]);
      assert.ok(!series.has(key), `twice: ${line}`);
      series.add(key);
      family.samples.push(sample);
    }
  }
  for (const one of families.values()) if (one.type === 'histogram') checkHistogram(one);
  return families;
}

/** The one value with these labels. */
export function readValue(
  families: Map<string, ParsedFamily>,
  name: string,
  labels: Record<string, string> = {},
): number {
  const samples = [...families.values()].flatMap((family) => family.samples);
  const found = samples.filter(
    (sample) =>
      sample.name === name &&
      Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
  );
  assert.equal(found.length, 1, `${name} ${JSON.stringify(labels)}: ${JSON.stringify(found)}`);
  return found[0]!.value;
}

/** The metric names that a query may use, including the suffixes of histograms. */
export function seriesNames(families: Map<string, ParsedFamily>): Set<string> {
  return new Set([...families.values()].flatMap((family) => endings(family).map((end) => family.name + end)));
}

function endings({ type }: ParsedFamily): string[] {
  return type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
}

function parseSample(line: string): ParsedSample {
  const [, name, labelText = '', number] = SAMPLE.exec(line) ?? [];
  assert.ok(name, `neither a comment nor a sample: ${line}`);
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < labelText.length) {
    const match = LABEL.exec(labelText);
    assert.ok(match && !(match[1]! in labels), line);
    labels[match[1]!] = match[2]!.replaceAll(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c));
  }
  const value = number === '+Inf' ? Number.POSITIVE_INFINITY : Number(number);
  assert.ok(!Number.isNaN(value), line);
  return { name, labels, value };
}

/** Buckets grow, end at +Inf, and the last is the count. */
function checkHistogram({ name, samples }: ParsedFamily): void {
  const groups = Map.groupBy(samples, ({ labels: { le: _, ...rest } }) => JSON.stringify(rest));
  for (const group of groups.values()) {
    const buckets = group.filter((sample) => sample.name === `${name}_bucket`);
    const bounds = buckets.map(({ labels }) => (labels.le === '+Inf' ? Infinity : Number(labels.le)));
    const counts = buckets.map(({ value }) => value);
    assert.deepEqual(
      bounds,
      bounds.toSorted((a, b) => a - b),
      name,
    );
    assert.deepEqual(
      counts,
      counts.toSorted((a, b) => a - b),
      name,
    );
    assert.equal(bounds.at(-1), Infinity, name);
    assert.equal(group.find((sample) => sample.name === `${name}_count`)!.value, counts.at(-1), name);
  }
}
