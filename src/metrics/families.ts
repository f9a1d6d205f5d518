/** What a figure is of, such as `{ connector: 'sensors' }`. */
export type Labels = Readonly<Record<string, string>>;

/** One line of a metric: its name may have an ending, as histograms have. */
export interface Sample {
  name: string;
  labels: Labels;
  value: number;
}

/** A metric with all its figures. */
export interface Family {
  name: string;
  type: 'counter' | 'gauge' | 'histogram';
  help: string;
  samples: Sample[];
}

/** A gauge that is looked up when somebody asks for it. */
export function gauge(name: string, help: string, value: number, labels: Labels = {}): Family {
  return { name, type: 'gauge', help, samples: [{ name, labels, value }] };
}

/** Counts up, from the start of the process. */
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

/** Counts values by the bucket that they fall into, from the start of the process. */
export class Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #bounds: readonly number[];
  readonly #values = new Map<string, { labels: Labels; counts: number[]; sum: number }>();

  /** @param bounds upper ends of the buckets, ascending; the last one, of all values, is added */
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

  /** In the text, a bucket counts what is in those before it, too. */
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

/** A number in Prometheus' spelling. */
export function formatValue(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}
