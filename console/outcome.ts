/** The "outcome": the result of statements that a person ran. */
export interface Outcome {
  /** The statements, as a person would type them. */
  shown: string;
  /** The returned rows. */
  rows: Record<string, unknown>[];
  notices: { message: string; hint: string | undefined }[];
  error?: SqlError;
  verdict: Verdict;
  /** What a good preflight of the setup tried. */
  preflight?: string;
  /** Whether the form below shows the errors at their fields, and the first of these has the focus. */
  isAtField?: boolean;
}

/** An error of PostgreSQL. */
export interface SqlError {
  /** SQLSTATE. */
  code: string;
  message: string;
  detail: string | undefined;
  hint: string | undefined;
  /** The table and the column that it is about. */
  table: string | undefined;
  column: string | undefined;
}

export interface Verdict {
  /** warn: it worked, but somebody should look at it. */
  level: 'good' | 'warn' | 'bad';
  sentence: string;
}

/** Returns the outcome of no statements. */
export function noOutcome(): Outcome {
  return { shown: '', rows: [], notices: [], verdict: { level: 'good', sentence: '' } };
}
