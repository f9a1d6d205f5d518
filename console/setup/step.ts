/** The interface of a step of the setup. */
import type { ConsoleDatabase } from '../database.ts';
import type { Html } from '../html.ts';
import type { Outcome } from '../outcome.ts';
import type { Statement } from '../sql.ts';
import type { Column, Draft } from './draft.ts';
import type { FieldError, FormState } from './field.ts';
import type { Situation } from './settings.ts';
import type { TargetTable } from './tables.ts';

export interface StepContext {
  db: ConsoleDatabase;
  columns: ReadonlyMap<string, Column>;
  /** Undefined in the first step, until its form is saved. */
  draft: Draft | undefined;
  /** What the values of the form, or else those of the draft, say. */
  situation: Situation;
  /** The target table that they name, if it exists. */
  table: TargetTable | undefined;
  hasTimescaledb: boolean;
  /** The file that a preflight would try, as far as it is known. */
  triedKey: string | undefined;
  /** The file formats of the database, each with its kind. */
  formats: ReadonlyMap<string, string>;
  /** The outcome that the page shows. */
  outcome?: Outcome | undefined;
}

export interface Step {
  name: string;
  title: string;
  /** The buttons that save, the first one as the default. `stay` shows the step again, with what it found. */
  buttons: readonly { action: 'stay' | 'next'; label: string }[];
  /** Returns the initial values of the form. */
  load(context: StepContext): Promise<URLSearchParams>;
  /** Returns the content of the form. */
  form(state: FormState, context: StepContext): Promise<Html>;
  /** Returns the SQL that saves the form's values, in order. */
  statements(values: URLSearchParams, context: StepContext): Statement[];
  /** Returns what is wrong with the values, before any SQL runs. PostgreSQL finds other errors. */
  refuse?(values: URLSearchParams, context: StepContext): FieldError[];
  /** Runs the SQL, if not only as it stands. */
  run?(values: URLSearchParams, context: StepContext): Promise<Outcome>;
}
