/** Runs the server cases, and says whether a server is fit for the connector. */
import { ConnectorError, describeError } from '../errors.ts';
import { Deviation } from './deviation.ts';
import { LISTING_CASES } from './listing_cases.ts';
import { READING_CASES } from './reading_cases.ts';
import { REFUSAL_CASES } from './refusal_cases.ts';
import type { ServerCase } from './server_case.ts';
import type { Trial } from './trial.ts';

/** What the connector relies on. */
export const SERVER_CASES: readonly ServerCase[] = [...LISTING_CASES, ...READING_CASES, ...REFUSAL_CASES];

export interface Result {
  case: ServerCase;
  /** What the server did instead; null: it is as expected. */
  deviation: string | null;
}

/** Yields the result of each case, in a folder of its own. */
export async function* tryCases(trial: Trial): AsyncGenerator<Result> {
  for (const [index, one] of SERVER_CASES.entries()) {
    let deviation: string | null = null;
    try {
      await one.run(trial.within(String(index).padStart(2, '0')));
    } catch (error) {
      trial.options.signal.throwIfAborted();
      deviation = describe(error);
    }
    yield { case: one, deviation };
  }
}

function describe(error: unknown): string {
  if (error instanceof Deviation || error instanceof ConnectorError) return describeError(error);
  const { name = 'Error' } = error as Partial<Error>;
  return `${name}: ${describeError(error)}`;
}

export interface Verdict {
  isFit: boolean;
  text: string;
}

export function verdictOn(results: readonly Result[]): Verdict {
  const deviating = (level: ServerCase['level']) =>
    results.filter((result) => result.deviation !== null && result.case.level === level);
  const broken = deviating('required');
  if (broken.length > 0) return { isFit: false, text: `unfit, because this fails: ${facts(broken)}` };
  const lacking = deviating('wanted');
  if (lacking.length > 0) return { isFit: true, text: `fit, but this fails: ${facts(lacking)}` };
  return { isFit: true, text: 'fit' };
}

function facts(results: readonly Result[]): string {
  return results.map((result) => result.case.name).join('; ');
}
