/** "Families" of metrics: a name, its help, and a "sample" for each set of labels. */
/** `{ connector: 'sensors' }` */
export type Labels = Readonly<Record<string, string>>;

/** One line of a metric. Its name may have a suffix, for histograms. */
export interface Sample {
  name: string;
  labels: Labels;
  value: number;
}

/** A metric with all its samples. */
export interface Family {
  name: string;
  type: 'counter' | 'gauge' | 'histogram';
  help: string;
  samples: Sample[];
}

/** Returns a gauge with its current value. */
export function gauge(name: string, help: string, value: number, labels: Labels = {}): Family {
  return { name, type: 'gauge', help, samples: [{ name, labels, value }] };
}

/** Counts up from the start of the process. */
export class Counter {
  readonly #name: string;
  readonly #help: string;
  readonly #values = new Map<string, Sample>();

  constructor(name: string, help: string) {
    this.#name = name;
    this.#help = help;
  }

  add(labels: Labels, value = 1): void {
    const key = JSON.stringify(labels);
    const sample = this.#values.get(key) ?? { name: this.#name, labels, value: 0 };
    sample.value += value;
    this.#values.set(key, sample);
  }

  family(): Family {
    return { name: this.#name, type: 'counter', help: this.#help, samples: [...this.#values.values()] };
  }
}

/** Counts values by bucket from the start of the process. */
export class Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #bounds: readonly number[];
  readonly #values = new Map<string, { labels: Labels; counts: number[]; sum: number }>();

  /** @param bounds upper bounds of the buckets, ascending, without +Inf */
  constructor(name: string, help: string, bounds: readonly number[]) {
    this.#name = name;
    this.#help = help;
    this.#bounds = [...bounds, Number.POSITIVE_INFINITY];
  }

  observe(labels: Labels, value: number): void {
    const key = JSON.stringify(labels);
    const seen = this.#values.get(key) ?? { labels, counts: this.#bounds.map(() => 0), sum: 0 };
    seen.counts[this.#bounds.findIndex((bound) => value <= bound)]! += 1;
    seen.sum += value;
    this.#values.set(key, seen);
  }

  family(): Family {
    const samples = [...this.#values.values()].flatMap((seen) => this.#samples(seen));
    return { name: this.#name, type: 'histogram', help: this.#help, samples };
  }

  /** Returns cumulative counts: in the text format, a bucket includes those before it. */
  #samples({ labels, counts, sum }: { labels: Labels; counts: number[]; sum: number }): Sample[] {
    let below = 0;
    const buckets = counts.map((count, i) => {
      below += count;
      const le = formatValue(this.#bounds[i]!);
      return { name: `${this.#name}_bucket`, labels: { ...labels, le }, value: below };
    });
    return [
      ...buckets,
      { name: `${this.#name}_sum`, labels, value: sum },
      { name: `${this.#name}_count`, labels, value: below },
    ];
  }
}

/** Returns a number as Prometheus writes it. */
export function formatValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}
