/**
 * The history of a file as a drawing.
 * A "period" is the time that a file spent in one status.
 */
import type { FileStatus } from '../../src/db/schema.ts';
import { duration, statusLabel } from '../format.ts';
import { type Html, html } from '../html.ts';
import { badge } from './status.ts';
import { at } from './time.ts';

/** One row of file_history. */
export interface Change {
  from_status: FileStatus | null;
  to_status: FileStatus;
  at: Date;
  /** Seconds in the previous status. */
  seconds: number | null;
  attempt: number;
  message: string | null;
  /** Seconds since then. */
  age: number;
}

interface Period {
  status: FileStatus;
  since: Date;
  /** Undefined in a final status. */
  seconds: number | undefined;
  attempt: number;
  message: string | null;
}

const FINAL: readonly FileStatus[] = ['success', 'failure', 'cancelled', 'undone'];
const WIDTH = 1000;
const MIN_WIDTH = 14;

/** Returns a ribbon of all periods, and a list of them with their durations. */
export function timeline(
  changes: readonly Change[],
  { error_message, next_attempt_at }: { error_message: string | null; next_attempt_at: Date | null },
): Html {
  const periods = toPeriods(changes);
  const messages = errorsOnce(periods, error_message);
  const longest = Math.max(...periods.map(({ seconds }) => seconds ?? 0));
  const total = periods.reduce((sum, { seconds }) => sum + (seconds ?? 0), 0);
  return html`<div class="life">
${ribbon(periods)}
<p class="note">${duration(total)} in all. Short periods are drawn wider than their share.</p>
<ol>${periods.map(
    (period, i) => html`<li class="s-${period.status}">
<span class="when">${at(period.since)}</span> ${badge(period.status)}
<span class="lasted">${durationText(period, i === periods.length - 1)}</span>
${bar(period, longest)}
${period.attempt > 0 && html`<span class="note">attempt ${period.attempt}</span>`}
${messages[i]}
${i === periods.length - 1 && next_attempt_at && html`<span class="note">next attempt ${at(next_attempt_at)}</span>`}</li>`,
  )}</ol></div>`;
}

function toPeriods(changes: readonly Change[]): Period[] {
  return changes.map((change, i) => ({
    status: change.to_status,
    since: change.at,
    seconds: changes[i + 1]?.seconds ?? (FINAL.includes(change.to_status) ? undefined : change.age),
    attempt: change.attempt,
    message: change.message,
  }));
}

/** Returns the error of each period. One that is shown already, here or above the history, is not repeated. */
function errorsOnce(periods: readonly Period[], current: string | null): (Html | undefined)[] {
  const shown = new Set<string>();
  return periods.map(({ message }) => {
    if (message === null) return undefined;
    if (current !== null && message.endsWith(current)) return html`<span class="note">the error above</span>`;
    if (shown.has(message)) return html`<span class="note">the same error</span>`;
    shown.add(message);
    return html`<span class="error">${message}</span>`;
  });
}

function durationText(period: Period, isLast: boolean): string {
  if (period.seconds === undefined) return isLast ? 'final' : '';
  return isLast ? `${duration(period.seconds)} so far` : duration(period.seconds);
}

function ribbon(periods: readonly Period[]): Html {
  const known = periods.slice(0, -1).filter(({ seconds }) => seconds !== undefined);
  const total = known.reduce((sum, { seconds }) => sum + seconds!, 0) || 1;
  const widths = [
    ...known.map(({ seconds }) => Math.max((seconds! / total) * WIDTH, MIN_WIDTH)),
    // The current status.
    MIN_WIDTH * 2,
  ];
  const scale = WIDTH / widths.reduce((sum, width) => sum + width, 0);
  let x = 0;
  return html`<svg class="ribbon" viewBox="0 0 ${WIDTH} 20" preserveAspectRatio="none" aria-hidden="true">${[
    ...known,
    periods.at(-1)!,
  ].map((period, i) => {
    const start = x;
    x += widths[i]! * scale;
    return html`<rect class="f-${period.status}" x="${start.toFixed(1)}" width="${Math.max(x - start - 2, 1).toFixed(1)}" height="20"><title>${statusLabel(period.status)} ${period.seconds !== undefined && duration(period.seconds)}</title></rect>`;
  })}</svg>`;
}

function bar({ seconds, status }: Period, longest: number): Html {
  if (seconds === undefined || longest === 0) return html``;
  return html`<svg class="lasting" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="f-${status}" width="${Math.max((seconds / longest) * 100, 0.5).toFixed(2)}" height="6" rx="1"/></svg>`;
}
