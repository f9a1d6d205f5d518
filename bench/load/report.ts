import { type Goal, megabytes, optional, printOthers, printTable, seconds, times } from '../report.ts';
import type { Result } from './rounds.ts';

/** All ways beside the first one, which is the baseline. */
export function printResults(results: Result[]): void {
  const baseline = results[0]!;
  const head = [
    'way',
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
      result.way,
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

/** How many times as fast. */
export function speed(result: Result, baseline: Result): number {
  return baseline.seconds / result.seconds;
}

export function copyCpuRatio(result: Result, baseline: Result): number | undefined {
  if (result.copyCpu === undefined || baseline.copyCpu === undefined) return undefined;
  return result.copyCpu / baseline.copyCpu;
}

/** A goal for the speed of a way, against the baseline. */
export function speedGoal(way: string, atLeast: number, results: Result[]): Goal {
  const baseline = results[0]!;
  return {
    text: `${way}: at least ${times(atLeast)} as fast as ${baseline.way}`,
    value: speed(results.find((result) => result.way === way)!, baseline),
    met: (value) => value >= atLeast,
    show: times,
  };
}

/** A goal for the CPU time of the COPY's backend, against the baseline. */
export function copyCpuGoal(way: string, atMost: number, results: Result[]): Goal {
  const baseline = results[0]!;
  return {
    text: `${way}: at most ${times(atMost)} of the COPY CPU of ${baseline.way}`,
    value: copyCpuRatio(results.find((result) => result.way === way)!, baseline),
    met: (value) => value <= atMost,
    show: times,
  };
}
