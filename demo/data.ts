import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { strToU8, zipSync } from 'fflate';

// The package's main file lies in its folder build/.
const DATA = join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '..', 'data');

/** An object for the bucket. */
export interface DemoObject {
  key: string;
  body: Buffer | string;
}

/** Three million flights, one Parquet file, by its path: it is served from the disk. */
export const flightsPath = join(DATA, 'flights-3m.parquet');

/** Months of weather in Seattle, oldest first: plain, gzip and zip in turn. */
export function weatherFiles(): DemoObject[] {
  return byMonth('seattle-weather.csv').map(({ month, csv }, i) => pack(`weather/${month}.csv`, csv, i % 3));
}

/** The same months again, four years later at each round: weather without end, as plain CSV. */
export function* laterWeather(): Generator<DemoObject> {
  for (let years = 4; ; years += 4) {
    for (const { month, csv } of byMonth('seattle-weather.csv')) {
      const shifted = csv.replace(/^\d{4}/gm, (year) => String(Number(year) + years));
      yield { key: `weather/${Number(month.slice(0, 4)) + years}${month.slice(4)}.csv`, body: shifted };
    }
  }
}

/** Months of the S&P 500 from 2000 on, gzipped. */
export function stockFiles(): DemoObject[] {
  return byMonth('sp500-2000.csv').map(({ month, csv }) => pack(`stocks/${month}.csv`, csv, 1));
}

/** Airports as they are, zip codes (some begin with a zero) as a zip archive. */
export function placeFiles(): { airports: DemoObject; zipcodes: DemoObject } {
  return {
    airports: { key: 'places/airports.csv', body: readData('airports.csv') },
    zipcodes: pack('places/zipcodes.csv', readData('zipcodes.csv'), 2),
  };
}

/** The same month with one value that is no number, as a hasty hand would leave it. */
export function breakFile(file: DemoObject): DemoObject {
  const lines = String(file.body).split('\n');
  lines[12] = lines[12]!.replace(/^([^,]*),[^,]*/, '$1,n/a');
  return { ...file, body: lines.join('\n') };
}

function byMonth(name: string): { month: string; csv: string }[] {
  const [header, ...lines] = readData(name).trimEnd().split('\n');
  const months = Map.groupBy(lines, (line) => line.slice(0, 7));
  return [...months].map(([month, rows]) => ({ month, csv: `${[header, ...rows].join('\n')}\n` }));
}

function pack(key: string, csv: string, how: number): DemoObject {
  if (how === 1) return { key: `${key}.gz`, body: gzipSync(csv) };
  if (how === 2)
    return {
      key: key.replace(/csv$/, 'zip'),
      body: Buffer.from(zipSync({ [key.split('/').at(-1)!]: strToU8(csv) })),
    };
  return { key, body: csv };
}

function readData(name: string): string {
  return readFileSync(join(DATA, name), 'utf8');
}
