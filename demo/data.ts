/** The files of the demo: public data from the package vega-datasets. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { strToU8, zipSync } from 'fflate';

// The package's main file is in its directory build/.
const DATA = join(dirname(createRequire(import.meta.url).resolve('vega-datasets')), '..', 'data');

/** An object for the bucket. */
export interface DemoObject {
  key: string;
  body: Buffer | string;
}

/** The path of a Parquet file with three million flights. */
export const flightsPath = join(DATA, 'flights-3m.parquet');

/** Returns files with one month of weather in Seattle each, oldest first. They are plain, gzip and zip in turn. */
export function weatherFiles(): DemoObject[] {
  return byMonth('seattle-weather.csv').map(({ month, csv }, i) => pack(`weather/${month}.csv`, csv, i % 3));
}

/** Yields endless later months: the same data, moved by four more years in each round, as plain CSV. */
export function* laterWeather(): Generator<DemoObject> {
  for (let years = 4; ; years += 4) {
    for (const { month, csv } of byMonth('seattle-weather.csv')) {
      const shifted = csv.replace(/^\d{4}/gm, (year) => String(Number(year) + years));
      yield { key: `weather/${Number(month.slice(0, 4)) + years}${month.slice(4)}.csv`, body: shifted };
    }
  }
}

/** Returns files with one month of the S&P 500 each, from 2000 on, gzipped. */
export function stockFiles(): DemoObject[] {
  return byMonth('sp500-2000.csv').map(({ month, csv }) => pack(`stocks/${month}.csv`, csv, 1));
}

/** Returns airports as plain CSV, and zip codes as a zip archive. Some zip codes begin with a zero. */
export function placeFiles(): { airports: DemoObject; zipcodes: DemoObject } {
  return {
    airports: { key: 'places/airports.csv', body: readData('airports.csv') },
    zipcodes: pack('places/zipcodes.csv', readData('zipcodes.csv'), 2),
  };
}

/** Returns a copy of the file with one value that is not a number. */
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
