/** The messages between a program and its watchdog. */
/** `fast` rolls back transactions and writes a checkpoint. `immediate` stops at once, like a crash. */
export type StopMode = 'fast' | 'immediate';

/** The major versions of PostgreSQL that npm packages bring, or will bring. */
export const PACKAGED_MAJORS = [15, 16, 17, 18, 19] as const;
export type PackagedMajor = (typeof PACKAGED_MAJORS)[number];

export interface StartOptions {
  binDir?: string;
  major?: PackagedMajor;
  settings?: Record<string, string>;
  port?: number;
  durable?: boolean;
  password: string;
}

/** A server that has started. */
export interface ServerInfo {
  pid: number;
  dataDir: string;
  socketDir: string;
  port: number;
  version: string;
}

/** From the program to its watchdog. Each request gets one reply. */
export type Request =
  | { command: 'start'; options: StartOptions }
  | { command: 'restart'; mode: StopMode }
  | { command: 'stop'; mode: StopMode };

/** From the watchdog to its program: replies in the order of the requests, with log text in between. */
export type Reply = { log: string } | { done: ServerInfo } | { failed: string };
