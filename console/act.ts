/** The form of every action button. */
import { ACTIONS, isActionName, readTarget } from './actions.ts';
import { ownAddress } from './address.ts';
import type { FormReply, FormRequest } from './form.ts';
import { link } from './html.ts';
import { asksFirst } from './pages/confirm.ts';
import { RequestError } from './request.ts';

/** Runs the action that the form names, and redirects to the page that it came from. Some actions ask first. */
export async function act({ db, fields }: FormRequest): Promise<FormReply> {
  const action = fields.get('action') ?? undefined;
  if (!isActionName(action)) throw new RequestError(400, 'The form names no action.');
  const target = readTarget((name) => fields.get(name) || undefined);
  if (asksFirst(action) && fields.get('confirmed') !== 'yes') {
    return { to: link('/confirm', { action, ...target, back: fields.get('back') ?? undefined }) };
  }
  const statement = ACTIONS[action].statement(target);
  const outcome = await db.run([statement]);
  const isGone = action === 'drop_connector' && !outcome.error;
  return { to: isGone ? '/' : ownAddress(fields.get('back')), outcome };
}
