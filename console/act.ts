/** The form of every action button. */
import { ACTIONS, isActionName } from './actions.ts';
import { ownAddress } from './address.ts';
import type { FormReply, FormRequest } from './form.ts';
import { RequestError } from './request.ts';

/** Runs the action that the form names, and redirects to the page that it came from. */
export async function act({ db, fields }: FormRequest): Promise<FormReply> {
  const action = fields.get('action') ?? undefined;
  if (!isActionName(action)) throw new RequestError(400, 'The form names no action.');
  const statement = ACTIONS[action].statement(fields.get('name') ?? '', fields.get('key') ?? '');
  const outcome = await db.run([statement]);
  const isGone = action === 'drop_connector' && !outcome.error;
  return { to: isGone ? '/' : ownAddress(fields.get('back')), outcome };
}
