import type { FileStatus } from '../../src/db/schema.ts';
import { duration, statusLabel } from '../format.ts';
import { type Html, html } from '../html.ts';
import { badge } from './status.ts';
import { at } from './time.ts';

/** One change of a file's status, as in file_history. */
export interface Change {
  from_status: FileStatus | null;
  to_status: FileStatus;
  at: Date;
  /** Seconds in the earlier status. */
  seconds: number | null;
  attempt: number;
  message: string | null;
}

/** A stretch of a file's life in one status. */
interface Stretch {
  status: FileStatus;
  since: Date;
  /** Undefined: it has ended there, or is still there. */
  seconds: number | undefined;
  attempt: number;
  message: string | null;
}

const ENDS: readonly FileStatus[] = ['success', 'failure', 'cancelled', 'undone'];
const WIDTH = 1000;
const MIN_WIDTH = 14;

/** A file's life, drawn: a ribbon of its statuses, then each with the time that the file spent in it. */
export function timeline(changes: readonly Change[], nextAttemptAt: Date | null): Html {
  const stretches = toStretches(changes);
  const longest = Math.max(...stretches.map(({ seconds }) => seconds ?? 0));
  const total = stretches.reduce((sum, { seconds }) => sum + (seconds ?? 0), 0);
  return html`<div class="life">
${ribbon(stretches)}
<p class="note">${duration(total)} in all that is over. A narrow stretch of the ribbon is drawn wider than it was.</p>
<ol>${stretches.map(
    (stretch, i) => html`<li class="s-${stretch.status}">
<span class="when">${at(stretch.since)}</span> ${badge(stretch.status)}
<span class="lasted">${lasted(stretch, i === stretches.length - 1)}</span>
${bar(stretch, longest)}
${stretch.attempt > 0 && html`<span class="note">attempt ${stretch.attempt}</span>`}
${stretch.message && html`<span class="error">${stretch.message}</span>`}
${i === stretches.length - 1 && nextAttemptAt && html`<span class="note">next attempt ${at(nextAttemptAt)}</span>`}</li>`,
  )}</ol></div>`;
}

function toStretches(changes: readonly Change[]): Stretch[] {
  return changes.map((change, i) => ({
    status: change.to_status,
    since: change.at,
    seconds: changes[i + 1]?.seconds ?? undefined,
    attempt: change.attempt,
    message: change.message,
  }));
}

function lasted(stretch: Stretch, isLast: boolean): string {
  if (stretch.seconds !== undefined) return duration(stretch.seconds);
  if (!isLast) return '';
  return ENDS.includes(stretch.status) ? 'its end' : 'until now';
}

function ribbon(stretches: readonly Stretch[]): Html {
  const known = stretches.filter(({ seconds }) => seconds !== undefined);
  const total = known.reduce((sum, { seconds }) => sum + seconds!, 0) || 1;
  const widths = [
    ...known.map(({ seconds }) => Math.max((seconds! / total) * WIDTH, MIN_WIDTH)),
    // Where it is now.
    MIN_WIDTH * 2,
  ];
  const scale = WIDTH / widths.reduce((sum, width) => sum + width, 0);
  let x = 0;
  return html`<svg class="ribbon" viewBox="0 0 ${WIDTH} 20" preserveAspectRatio="none" aria-hidden="true">${[
    ...known,
    stretches.at(-1)!,
  ].map((stretch, i) => {
    const start = x;
    x += widths[i]! * scale;
    return html`<rect class="f-${stretch.status}" x="${start.toFixed(1)}" width="${Math.max(x - start - 2, 1).toFixed(1)}" height="20"><title>${statusLabel(stretch.status)} ${stretch.seconds !== undefined && duration(stretch.seconds)}</title></rect>`;
  })}</svg>`;
}

function bar({ seconds, status }: Stretch, longest: number): Html {
  if (seconds === undefined || longest === 0) return html``;
  return html`<svg class="lasting" viewBox="0 0 100 6" preserveAspectRatio="none" aria-hidden="true"><rect class="f-${status}" width="${Math.max((seconds / longest) * 100, 0.5).toFixed(2)}" height="6" rx="1"/></svg>`;
}
