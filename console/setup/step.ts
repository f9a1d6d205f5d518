/** The interface of a step of the setup. */
import type { ConsoleDatabase } from '../database.ts';
import type { Html } from '../html.ts';
import type { Statement } from '../sql.ts';
import type { Column, Draft } from './draft.ts';

export interface StepContext {
  db: ConsoleDatabase;
  columns: ReadonlyMap<string, Column>;
  /** Undefined in the first step, until its form is saved. */
  draft: Draft | undefined;
}

export interface Step {
  name: string;
  title: string;
  /** The label of its button. */
  submit: string;
  /** Returns the initial values of the form. */
  load(context: StepContext): Promise<URLSearchParams>;
  /** Returns the content of the form with these values. */
  form(values: URLSearchParams, context: StepContext): Promise<Html>;
  /** Returns the SQL that saves the form's values, in order. */
  statements(values: URLSearchParams, context: StepContext): Statement[];
}
