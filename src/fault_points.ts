/**
 * For tests only: "fault points", the awaits of a worker at which something may go wrong. FAULT_POINT names one before or after
 * which the worker kills itself, or at which it harms something. FAULT_SEED draws faults at all of them, and FAULT_LOG names a
 * file for the points that are reached. Without FAULT_POINT and FAULT_SEED, a point costs one comparison.
 */
import { appendFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { ConnectorError } from './errors.ts';

/** Awaits of the worker. Most can go wrong before and after their work. */
export const FAULT_POINTS = [
  // a poll
  'start_poll',
  'probe',
  'list_page',
  'list_range',
  'list',
  'enqueue',
  'record_failed_poll',
  'note_outage',
  'commit_failed_poll',
  'end_outage',
  'head_archived',
  'queue_backlog_poll',
  // an import: begin, fetch
  'begin_attempt',
  'open_object',
  'read_body',
  'open_range',
  'read_range',
  'write_spool',
  'head_object',
  'record_new_version',
  'remove_spool',
  // an import: read
  'spool_to_disk',
  'take_reader',
  'describe_file',
  'read_rows',
  'kill_reader',
  'break_pipe',
  'read_sections',
  'kill_encoder',
  'sort_rows',
  // an import: copy, record
  'take_session',
  'begin_transaction',
  'lock_table',
  'delete_old_rows',
  'make_table',
  'infer_table',
  'grow_table',
  'plan_columns',
  'copy_rows',
  'on_import',
  'record_success',
  'record_failure',
  'postpone_attempt',
  'return_attempt',
  'stop_lost',
  'free_lost',
  // a bundle
  'fetch_bundled',
  'refuse_table',
  'plan_bundled',
  'copy_bundle',
  'record_bundle',
  'give_back',
  // requests and audits
  'start_request',
  'answer',
  'answer_with_error',
  'begin_undo',
  'delete_rows',
  'commit_undo',
  'fail_undo',
  'begin_audit',
  'resume_audit',
  'compare_page',
  'compare_end',
  'finish_audit',
  // events
  'receive_events',
  'take_events',
  'head_objects',
  'note_events',
  'delete_events',
  // housekeeping
  'rescue',
  'pause_if_copied',
  'housekeeping',
] as const;
export type FaultPoint = (typeof FAULT_POINTS)[number];

/** What the work at a point speaks to, which decides how its errors look. */
type Side = 'database' | 'source' | 'reader';

const armed = process.env.FAULT_POINT;
const seed = process.env.FAULT_SEED;
/** How many of a thousand passages through a point go wrong. */
const rate = Number(process.env.FAULT_RATE ?? 20);
const logFile = process.env.FAULT_LOG;
const isOn = armed !== undefined || seed !== undefined;

/** How long the data before a kill has to reach PostgreSQL, in milliseconds. */
const FLUSH_MS = 100;
const LONGEST_DELAY_MS = 30;

/**
 * Does the work of a point. With faults on, it may be late, fail before anything is done ("error") or after all is done ("lost
 * answer"), or never end, because the process is killed.
 */
export function at<T>(point: FaultPoint, work: () => Promise<T>, side: Side = 'database'): Promise<T> {
  return isOn ? faultily(point, work, side) : work();
}

/** A point before work whose answer must not be lost here. Undefined with faults off. */
export function reach(point: FaultPoint, side: Side = 'database'): Promise<void> | undefined {
  return isOn ? draw(point, side) : undefined;
}

/** A point at which something may be harmed, instead of an error. FAULT_POINT: it is harmed in the first passage. */
export function harm(point: FaultPoint, act: () => void): void {
  if (!isOn) return;
  const isArmed = armed === `at ${point}` && !passages.has(point);
  if (armed !== undefined) passages.set(point, 1);
  if (isArmed || dice(point) !== null) act();
}

/** Returns the same data. With faults on, it may stop with an error after a chunk ("short read"), be late, or never end. */
export function amid<Chunk>(
  point: FaultPoint,
  data: AsyncIterable<Chunk> | Iterable<Chunk>,
  side: Side = 'source',
): typeof data {
  return isOn ? cutOff(point, data, side) : data;
}

async function faultily<T>(point: FaultPoint, work: () => Promise<T>, side: Side): Promise<T> {
  killIf(`before ${point}`);
  await draw(point, side);
  const result = await work();
  killIf(`after ${point}`);
  await draw(point, side);
  return result;
}

async function* cutOff<Chunk>(
  point: FaultPoint,
  data: AsyncIterable<Chunk> | Iterable<Chunk>,
  side: Side,
): AsyncGenerator<Chunk> {
  for await (const chunk of data) {
    yield chunk;
    if (armed === `amid ${point}`) await delay(FLUSH_MS);
    killIf(`amid ${point}`);
    await draw(point, side);
  }
}

function killIf(moment: string): void {
  if (armed === moment) kill();
}

/** With SIGKILL, so that no cleanup runs. */
function kill(): void {
  process.kill(process.pid, 'SIGKILL');
}

/** How often each point was passed: with the seed it decides what happens, so a run does not depend on time. */
const passages = new Map<FaultPoint, number>();

/** Is late, fails or kills the process, if the seed says so for this passage. */
async function draw(point: FaultPoint, side: Side): Promise<void> {
  const share = dice(point);
  if (share === null) return;
  if (share < 0.02) return kill();
  if (share < 0.5) return await delay(share * LONGEST_DELAY_MS * 2);
  throw faultOf(point, side);
}

/** Counts a passage. Returns null if nothing goes wrong in it, and otherwise a number from 0 up to 1 that decides what. */
function dice(point: FaultPoint): number | null {
  if (seed === undefined) return null;
  const passage = (passages.get(point) ?? 0) + 1;
  passages.set(point, passage);
  if (passage === 1 && logFile !== undefined) appendFileSync(logFile, `${point}\n`);
  const thrown = random(`${seed} ${point} ${passage}`);
  return thrown < rate / 1000 ? (thrown * 1000) / rate : null;
}

function faultOf(point: FaultPoint, side: Side): Error {
  if (side === 'source')
    return new ConnectorError('source_unavailable', `a fault at ${point}`, { passing: true });
  if (side === 'reader')
    return new ConnectorError('reader_crashed', `a fault at ${point}`, { passing: true });
  return Object.assign(new Error(`Connection terminated: a fault at ${point}`), { code: 'ECONNRESET' });
}

/** Returns a number from 0 up to, but not including, 1, the same one for the same text (FNV-1a, mixed). */
function random(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
