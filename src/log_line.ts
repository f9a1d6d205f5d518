/** A "log line": one event. */

/** The other fields of a log line. Never a secret, never the content of a row. */
export type LogFields = Record<string, unknown>;

export type LogLevel = 'info' | 'warn' | 'error';

export interface LogLine extends LogFields {
  time: string;
  level: LogLevel;
  event: string;
}
