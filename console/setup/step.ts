import type { ConsoleDatabase } from '../database.ts';
import type { Html } from '../html.ts';
import type { Statement } from '../sql.ts';
import type { Column, Draft } from './draft.ts';

/** What a step knows. */
export interface StepContext {
  db: ConsoleDatabase;
  columns: ReadonlyMap<string, Column>;
  /** Undefined in the first step, until its form was sent. */
  draft: Draft | undefined;
}

/** One step of setting up a connector: a form, and the SQL that it stands for. */
export interface Step {
  name: string;
  title: string;
  /** What its button says. */
  submit: string;
  /** What the form holds before anybody has changed it. */
  load(context: StepContext): Promise<URLSearchParams>;
  /** The form's inside, for these values. */
  form(values: URLSearchParams, context: StepContext): Promise<Html>;
  /** What the form's values mean, to be run in this order. */
  statements(values: URLSearchParams, context: StepContext): Statement[];
}
