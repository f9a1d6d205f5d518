/** The panel that says what a role needs before its ARN is known: the external id of the workers, and two policies to paste. */
import { compileGlob } from '../../src/glob.ts';
import { policiesOf, principalOf } from '../../src/sources/s3_policies.ts';
import { type Html, html } from '../html.ts';
import { copyButton } from '../parts/key.ts';
import { sql } from '../sql.ts';
import type { FormState } from './field.ts';
import type { StepContext } from './step.ts';

/** Returns the panel. It is hidden unless a role is assumed, and follows the bucket and the pattern. */
export async function iamPanel({ situation }: FormState, context: StepContext): Promise<Html> {
  const isHidden = situation.value('auth_method') !== 'iam_role';
  return html`<div class="iam" id="iam" data-when="iam"${isHidden && html` hidden`}><div id="iam-policies" data-follows="all">${await panel(context)}</div></div>`;
}

async function panel({ db, draft, situation: { value } }: StepContext): Promise<Html> {
  const [worker] = await db.rows<{ external_id: string | null }>(sql`
    select external_id from s3_connector.workers order by alive desc, id desc limit 1`);
  if (!worker?.external_id) {
    return html`<p class="trouble">${worker ? 'The worker has no external id, so it cannot assume a role. Set its PROJECT_ID and SERVICE_ID, and start it again.' : 'No worker has started yet. The policies need its external id.'}</p>`;
  }
  const principal = draft ? principalOf(await lastRefusal(db, draft.name)) : null;
  const { trust, permission } = policiesOf({
    roleArn: value('role_arn') || null,
    externalId: worker.external_id,
    bucket: value('bucket') || '<bucket>',
    prefix: prefixOf(value('pattern')),
    principal,
  });
  return html`<h3>Make the role first</h3>
<ol>
<li>In IAM, make a role that trusts the worker. The workers' external id is <code>${worker.external_id}</code>.${copyButton(worker.external_id)}
${policy('Trust policy', trust)}${principal === null && html`<p class="note">Replace the text in angle brackets by the identity of the worker. If you do not know it, leave it for now: the check names it.</p>`}</li>
<li>Give the role the right to list the bucket and to read its objects.
${policy('Permission policy', permission)}</li>
<li>Copy the ARN of the role into the field below.</li>
</ol>`;
}

async function lastRefusal(db: StepContext['db'], name: string): Promise<string> {
  const [step] = await db.rows<{ message: string }>(sql`
    select message from s3_connector.checks where connector_name = ${name} and step = 'assume role' and not ok`);
  return step?.message ?? '';
}

function policy(title: string, json: string): Html {
  return html`<details open><summary>${title}</summary><pre class="sql" tabindex="0" role="group" aria-label="${title}"><code>${json}</code></pre>${copyButton(json)}</details>`;
}

/** A pattern that is not finished has no prefix yet. */
function prefixOf(pattern: string): string {
  try {
    return compileGlob(pattern).prefix;
  } catch {
    return '';
  }
}
