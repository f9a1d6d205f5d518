/** Prints the results and goals of loaders. */
import { type Goal, megabytes, optional, printOthers, printTable, seconds, times } from '../report.ts';
import type { Result } from './rounds.ts';

/** Prints a table of all results. The first one is the baseline. */
export function printResults(results: Result[]): void {
  const baseline = results[0]!;
  const head = [
    'loader',
    'seconds',
    'speed',
    'client CPU',
    'COPY CPU',
    '',
    'server CPU',
    'client memory',
    'on disk',
  ];
  printTable(
    head,
    results.map((result) => [
      result.loader,
      seconds(result.seconds),
      times(speed(result, baseline)),
      optional(result.clientCpu, seconds),
      optional(result.copyCpu, seconds),
      optional(copyCpuRatio(result, baseline), times),
      optional(result.serverCpu, seconds),
      optional(result.peakBytes, megabytes),
      megabytes(result.bytesOnDisk),
    ]),
  );
  printOthers(results.map((result) => result.othersShare));
}

/** Prints what each loader costs: CPU seconds for a GB of its file, and its requests to the bucket. */
export function printCosts(results: Result[]): void {
  const perGigabyte = (cpu: number | undefined, { fileBytes }: Result) =>
    optional(cpu, (value) => seconds(value / (fileBytes / 1e9)));
  printTable(
    ['loader', 'client CPU a GB', 'server CPU a GB', 'requests', 'COPY alone allows'],
    results.map((result) => [
      result.loader,
      perGigabyte(result.clientCpu, result),
      perGigabyte(result.serverCpu, result),
      optional(result.requests, String),
      optional(result.copyCpu, (copy) => times(results[0]!.seconds / copy)),
    ]),
  );
  console.log(
    'COPY alone allows: the speed if the backend never waited for the loader, which is its CPU time as the only cost.\n',
  );
}

/** Returns how many times as fast as the baseline a result is. */
export function speed(result: Result, baseline: Result): number {
  return baseline.seconds / result.seconds;
}

export function copyCpuRatio(result: Result, baseline: Result): number | undefined {
  if (result.copyCpu === undefined || baseline.copyCpu === undefined) return undefined;
  return result.copyCpu / baseline.copyCpu;
}

/** Returns a goal for the speed of a loader, relative to the baseline. */
export function speedGoal(loader: string, atLeast: number, results: Result[]): Goal {
  const baseline = results[0]!;
  return {
    text: `${loader}: at least ${times(atLeast)} as fast as ${baseline.loader}`,
    value: speed(results.find((result) => result.loader === loader)!, baseline),
    met: (value) => value >= atLeast,
    show: times,
  };
}

/** Returns a goal for the CPU time of the backend that runs COPY, relative to the baseline. */
export function copyCpuGoal(loader: string, atMost: number, results: Result[]): Goal {
  const baseline = results[0]!;
  return {
    text: `${loader}: at most ${times(atMost)} of the COPY CPU of ${baseline.loader}`,
    value: copyCpuRatio(results.find((result) => result.loader === loader)!, baseline),
    met: (value) => value <= atMost,
    show: times,
  };
}
