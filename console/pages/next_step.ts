/** What is wrong with a connector, and the "next step": what a person can do about it. */
import { type Cause, repairAddress, unknownColumns } from '../causes.ts';
import { counted, roughly } from '../format.ts';
import { type Html, html, link } from '../html.ts';
import { actionButton, type FormContext } from '../parts/button.ts';
import type { FlowRow } from '../parts/flow.ts';
import { type Message, readMessage } from '../parts/message.ts';
import { FILTER_NAMES, type FilterName } from './filters.ts';

interface NextStep {
  /** Why it is so. */
  why?: Html | string | null;
  /** What helps, in words. */
  hint?: string | undefined;
  /** What to do, as a link or a button. */
  step?: Html | undefined;
}

type Describe = (row: FlowRow, request: FormContext, cause: Cause | undefined) => NextStep;

const STEPS: Record<FilterName, Describe> = {
  unavailable: (row, request) => ({ ...ofError(row.last_error), step: check(request, row) }),
  overdue: () => ({
    why: 'No worker polls it in time.',
    hint: 'Start a worker, or look at the log of those that run.',
    step: button('/workers', 'Look at the workers'),
  }),
  failing: (row, _, cause) => (cause ? ofCause(row, cause) : ofError(row.last_error)),
  poll_failed: (row, request) => ({ ...ofError(row.last_error), step: check(request, row) }),
  retrying: (row) => ({
    ...ofError(row.last_error),
    hint: 'It may go away without you: the files are retried.',
    step: button(filesOf(row, 'pending_retry'), 'Look at the files'),
  }),
  late: (row) => ({
    why: `An audit found ${counted(row.late_files, 'key')} that arrived late, or changed after their import.`,
    hint: 'Import them, or leave them out.',
    step: button(`${link('/connector', { name: row.name })}#late`, 'Look at late files'),
  }),
  rejected: (row) => ({
    why: `${counted(row.rejected, 'row')} did not fit the table, and the imports left them out.`,
    hint: 'Correct their source, or the types of the table.',
    step: button(link('/rejected', { name: row.name }), 'Look at the rows'),
  }),
  behind: (row) => ({
    // Such as what the imports wait for.
    why: row.notice ?? pace(row),
    hint: 'The import goes on by itself. More workers make it faster.',
  }),
  draft: (row, { rights }) => ({
    why: 'Its setup is not complete, and nothing is imported.',
    step: rights.canConfigure
      ? button(link('/setup', { name: row.name, step: 'source' }), 'Continue')
      : undefined,
  }),
  paused: (row, request) => ({
    why: row.notice ?? 'Somebody paused it, and it does not poll.',
    step: actionButton(request, 'resume', { name: row.name }),
  }),
};

/** Returns all of it for the worst of a connector. */
export function nextStep(row: FlowRow, request: FormContext, cause: Cause | undefined): NextStep {
  const worst = FILTER_NAMES[row.worst - 1];
  return worst ? STEPS[worst](row, request, cause) : { why: row.notice };
}

function ofCause(row: FlowRow, cause: Cause): NextStep {
  const { what, hint } = explain(cause);
  const files = row.failure === cause.files ? counted(cause.files, 'file') : 'files';
  return {
    why: html`<b>${cause.code}</b>: ${what}`,
    hint,
    step: button(repairAddress(cause), `Repair ${files}`),
  };
}

/** Returns the message of a cause in two parts, shorter where the console knows more about it. */
function explain(cause: Cause): Message {
  const columns = unknownColumns(cause).map(({ source }) => source);
  if (columns.length === 0) return readMessage(cause.message, cause.first_key);
  const [noun, it] = columns.length === 1 ? ['column', 'it'] : ['columns', 'them'];
  return {
    what: `the table has no ${noun} ${columns.join(', ')}`,
    hint: `Map ${it} to a column of the table, ignore ${it}, or add ${it} to the table.`,
  };
}

function ofError(message: string | null): NextStep {
  if (message === null) return {};
  const { what, hint } = readMessage(message);
  return { why: what, hint };
}

function check(request: FormContext, { name }: FlowRow): Html | undefined {
  return actionButton(request, 'check', { name });
}

function filesOf({ name }: FlowRow, status: string): string {
  return `${link('/connector', { name, status })}#files`;
}

function button(address: string, words: string): Html {
  return html`<a class="button" href="${address}">${words}</a>`;
}

function pace({ last_poll_at, eta_seconds }: FlowRow): string {
  if (last_poll_at === null) return 'It has not been polled yet.';
  const left = eta_seconds === null ? '' : ` About ${roughly(eta_seconds)} left.`;
  return `The bucket has more files than are imported.${left}`;
}
