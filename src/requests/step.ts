/** A "step" of a check: one thing that an import needs, tried. */

/** One row of `checks`. */
export interface Step {
  step: string;
  ok: boolean;
  message: string;
  hint: string | null;
}

/** The result of a step that succeeds. An error that it throws is its result if it fails. */
export type StepResult = { message: string; hint?: string };
