/** The step "Rules" of the setup: conflicts, bad rows, when to poll, and limits. */
import { html } from '../html.ts';
import { foldedFields, settingField, settingFields } from './field.ts';
import { AFTERWARDS, LIMITS, POLLING } from './fields/polling.ts';
import { CHANGES, ROWS } from './fields/rows.ts';
import { hasStoredKey, refuseWithoutKey } from './key_rules.ts';
import { stepIsChanged } from './of_step.ts';
import { preflightStatements, runPreflight } from './preflight.ts';
import { loadSchedule, SCHEDULE, scheduleField, withSchedule } from './schedule.ts';
import { changedSettings, loadSettings, storedValue, updateSettings } from './settings.ts';
import type { Step } from './step.ts';

const RULES_SETTINGS = [ROWS, CHANGES, [SCHEDULE], POLLING, LIMITS, AFTERWARDS].flat();

export const rulesStep: Step = {
  name: 'rules',
  title: 'Rules',
  buttons: [{ action: 'next', label: 'Save and try' }],
  async load({ columns, draft }) {
    const values = loadSettings(RULES_SETTINGS, columns, draft);
    loadSchedule(values);
    return values;
  },
  async form(state, context) {
    const isChanged = stepIsChanged(context);
    return html`<h3>Rows</h3>${settingFields(ROWS, state)}
${foldedFields('Files that change rows: insert, update, delete', CHANGES, state, isChanged)}
<h3>Polling</h3><div class="fields">${scheduleField(state)}${settingField(POLLING[0]!, state)}</div>
${foldedFields('Advanced: late keys, overwritten objects, events', POLLING.slice(1), state, isChanged)}
${foldedFields('Advanced: limits', LIMITS, state, isChanged)}
${foldedFields('Advanced: after each file', AFTERWARDS, state, isChanged)}`;
  },
  refuse: (_, context) => refuseWithoutKey(context, hasStoredKey(context)),
  statements: (values, context) => [...saves(values, context), ...preflightStatements(context)],
  run: (values, context) => runPreflight(saves(values, context), context),
};

function saves(values: URLSearchParams, context: Parameters<Step['statements']>[1]) {
  const { columns, draft } = context;
  const stored = storedValue('schedule', columns, draft) ?? '';
  return updateSettings(draft!.name, changedSettings(RULES_SETTINGS, withSchedule(values, stored), context));
}
