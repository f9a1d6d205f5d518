/** A "finding": what `doctor` says of one thing that a worker needs. */
import { locate } from '../errors.ts';

/** The result of one step. `note`: a worker can start, but the message matters. */
export interface Finding {
  step: string;
  state: 'ok' | 'note' | 'failed';
  message: string;
  hint?: string | undefined;
}

/**
 * Returns what a step finds. An error of the step becomes a failed finding.
 * @param hint for errors without a hint of their own
 */
export async function tryStep(
  step: string,
  run: () => Promise<Omit<Finding, 'step'>>,
  hint?: string,
): Promise<Finding> {
  try {
    return { step, ...(await run()) };
  } catch (error) {
    const located = locate(error, '');
    return { step, state: 'failed', message: located.message, hint: located.hint ?? hint };
  }
}
