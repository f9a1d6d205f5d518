/** The field for the schedule: a choice, five cron fields of your own, and when the next polls are. */
import { nextRun, SCHEDULE_NAMES } from '../../src/schedule.ts';
import { utc } from '../format.ts';
import { type Html, html } from '../html.ts';
import { errorText, type FormState, fieldMarks, selectField } from './field.ts';
import { fieldOf, type Option, type Setting } from './settings.ts';

export const SCHEDULE: Setting = {
  column: 'schedule',
  label: 'Look for new files',
  help: 'How often the bucket is listed.',
};

const CHOICES: readonly Option[] = [
  ['minute', 'every minute'],
  ['*/5 * * * *', 'every five minutes'],
  ['hour', 'every hour'],
  ['@daily', 'every day at 00:00 UTC'],
  ['cron', 'at times of your own (cron)'],
];
/** Other texts of the same schedules. */
const SAME: Record<string, string> = {
  '* * * * *': 'minute',
  '@always': 'minute',
  '0 * * * *': 'hour',
  '@hourly': 'hour',
  '0 0 * * *': '@daily',
};
const CHOICE = 'schedule.choice';
const CRON = 'schedule.cron';
const NEXT_RUNS = 3;

/** Splits the stored schedule into the fields of the form. */
export function loadSchedule(values: URLSearchParams): void {
  const stored = values.get('schedule') ?? '';
  const choice = SAME[stored] ?? stored;
  const isChoice = CHOICES.some(([value]) => value === choice);
  values.set(CHOICE, isChoice ? choice : 'cron');
  values.set(CRON, isChoice ? '' : stored);
}

/** Returns values with the schedule that the fields name. Another text of the stored schedule counts as the stored one. */
export function withSchedule(values: URLSearchParams, stored: string): URLSearchParams {
  const choice = fieldOf(values, CHOICE);
  if (choice === undefined) return values;
  const named = choice === 'cron' ? (fieldOf(values, CRON) ?? '').trim() : choice;
  const joined = new URLSearchParams(values);
  joined.set('schedule', named === SAME[stored] ? stored : named);
  return joined;
}

export function scheduleField(state: FormState): Html {
  const choice = fieldOf(state.values, CHOICE) ?? 'cron';
  const cron = fieldOf(state.values, CRON) ?? '';
  const error = state.errors.find(({ field }) => field === 'schedule');
  const isOwn = choice === 'cron';
  const marks = fieldMarks('schedule', state, 'f-schedule-help');
  return html`<div class="field"><label for="f-schedule">${SCHEDULE.label}</label>${selectField('f-schedule', CHOICE, choice, CHOICES, isOwn ? html` aria-describedby="f-schedule-help"` : marks)}
${!isOwn && errorText(error)}<small id="f-schedule-help">${SCHEDULE.help}</small></div>
<div class="field" data-when="schedule.cron"${!isOwn && html` hidden`}><label for="f-schedule-cron">Cron, in UTC</label><input id="f-schedule-cron" name="${CRON}" value="${cron}" placeholder="*/15 6-18 * * 1-5" autocomplete="off" spellcheck="false"${isOwn && marks}>
${isOwn && errorText(error)}<small>Minute, hour, day of the month, month, day of the week. Or a name such as @weekly.</small></div>
<div class="field runs" id="next-runs" data-follows="all">${nextRuns(isOwn ? cron.trim() : choice)}</div>`;
}

function nextRuns(schedule: string): Html {
  const runs = upcoming(schedule);
  if (runs === null) return html`<p class="note">The next polls are shown here.</p>`;
  return html`<p class="label">The next polls (UTC)</p><ul class="plain">${runs.map((run) => html`<li><time datetime="${run.toISOString()}"><span class="clock">${utc(run)} UTC</span></time></li>`)}</ul>`;
}

/** Returns the next runs; null if it is no schedule. */
function upcoming(schedule: string): Date[] | null {
  if (!SCHEDULE_NAMES.includes(schedule) && schedule.split(/\s+/).length !== 5) return null;
  const runs: Date[] = [];
  try {
    for (let i = 0; i < NEXT_RUNS; i++) {
      const run = nextRun(schedule, runs.at(-1) ?? new Date());
      if (run === null) break;
      runs.push(run);
    }
  } catch {
    return null;
  }
  return runs.length === 0 ? null : runs;
}
