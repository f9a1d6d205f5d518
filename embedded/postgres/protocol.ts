/** How a server ends: `fast` rolls back and writes a checkpoint, `immediate` is a crash without a kill -9. */
export type StopMode = 'fast' | 'immediate';

/** What the watchdog must know to start a server. */
export interface StartOptions {
  binDir?: string;
  settings?: Record<string, string>;
  port?: number;
  durable?: boolean;
  password: string;
}

/** What a started server is. */
export interface ServerInfo {
  pid: number;
  dataDir: string;
  socketDir: string;
  port: number;
  version: string;
}

/** From the program to its watchdog; each gets one answer. */
export type Request =
  | { command: 'start'; options: StartOptions }
  | { command: 'restart'; mode: StopMode }
  | { command: 'stop'; mode: StopMode };

/** From the watchdog to its program: answers, in the order of the requests, and log text in between. */
export type Reply = { log: string } | { done: ServerInfo } | { failed: string };
