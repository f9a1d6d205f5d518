/** The health line, and the bar for what stops everything. */
import { count, counted } from '../format.ts';
import type { Health } from '../health.ts';
import { type Html, html, link } from '../html.ts';
import { FILTER_NAMES, filterOf } from '../pages/filters.ts';

/** Returns the line: each number is a link to its connectors. */
export function healthLine({ connectors, found, workers }: Health): Html {
  const parts = FILTER_NAMES.flatMap((name) => {
    const { trouble } = filterOf(name);
    return trouble && found[name] > 0 ? [{ name, ...trouble }] : [];
  });
  return html`<nav class="health" aria-label="Health"><ul>
${
  parts.length === 0
    ? html`<li><a href="/"><span class="dot s-success"></span>${connectors === 0 ? 'no connectors' : `${counted(connectors, 'connector')}, no problems`}</a></li>`
    : parts.map(
        ({ name, word, status }) =>
          html`<li><a href="${link('/', { show: name })}"><span class="dot s-${status}"></span>${count(found[name])} ${word}</a></li>`,
      )
}
<li><a href="/workers"><span class="dot s-${workers === 0 ? 'failure' : 'success'}"></span>${counted(workers, 'worker')} alive</a></li>
</ul></nav>`;
}

/** Returns a bar if nothing is imported: no worker is alive, or polls are overdue. */
export function alarm({ connectors, found, workers }: Health): Html | undefined {
  if (connectors === 0) return undefined;
  if (workers === 0) {
    return html`<p class="alarm" role="alert"><strong>No worker is alive</strong> Nothing is polled or imported. Start one: <code>pg-s3-connector start</code> <a href="/workers">Workers</a></p>`;
  }
  if (found.overdue === 0) return undefined;
  const [which, whose] =
    found.overdue === 1
      ? ['1 connector', 'Its poll is']
      : [`${count(found.overdue)} connectors`, 'Their polls are'];
  return html`<p class="alarm" role="alert"><strong>${which} not polled</strong> ${whose} overdue by more than two intervals of the schedule. Look at the log of the workers. <a href="${link('/', { show: 'overdue' })}">Show</a></p>`;
}
