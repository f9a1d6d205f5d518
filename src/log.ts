/** Logs one event a line to stdout, as JSON or as text. */
import type { LogFields, LogLevel } from './log_line.ts';
import { toText } from './log_text.ts';

export interface Log {
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
}

export interface LogSettings {
  /** `json`: one object a line, for machines; `text`: for people. */
  format: 'json' | 'text';
  /** Less severe events are not logged. */
  level: LogLevel;
}

/** The least severe first. */
export const LOG_LEVELS: readonly LogLevel[] = ['info', 'warn', 'error'];
export const LOG_FORMATS = ['json', 'text'] as const;

let settings: LogSettings = { format: 'json', level: 'info' };

/** Sets how this process logs from now on. */
export function setLog(next: LogSettings): void {
  settings = next;
}

export const log: Log = {
  info: (event, fields) => write('info', event, fields),
  warn: (event, fields) => write('warn', event, fields),
  error: (event, fields) => write('error', event, fields),
};

function write(level: LogLevel, event: string, fields: LogFields = {}): void {
  if (LOG_LEVELS.indexOf(level) < LOG_LEVELS.indexOf(settings.level)) return;
  const line = { time: new Date().toISOString(), level, event, ...fields };
  const text = settings.format === 'json' ? JSON.stringify(line) : toText(line, hasColors());
  process.stdout.write(`${text}\n`);
}

/** Writes what is logged meanwhile at once: a line costs a system call. */
export function logTogether(work: () => void): void {
  process.stdout.cork();
  try {
    work();
  } finally {
    process.stdout.uncork();
  }
}

function hasColors(): boolean {
  return process.stdout.isTTY === true && !process.env.NO_COLOR;
}
