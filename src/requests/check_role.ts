/** The steps of `check` about an assumed role. */
import { ConnectorError, locate } from '../errors.ts';
import { compileGlob } from '../glob.ts';
import { describePolicies, principalOf } from '../sources/s3_policies.ts';
import type { Source } from '../sources/source.ts';
import type { WorkerContext } from '../task.ts';
import type { Request } from './request.ts';
import type { StepResult } from './step.ts';

/** Assumes the connector's role. In any case the hint has the policies that the role needs, to paste. */
export async function checkRole(
  { connector }: Request,
  { config: { externalId } }: WorkerContext,
  source: () => Source,
): Promise<StepResult> {
  const { auth_method, role_arn, bucket, pattern } = connector;
  if (auth_method !== 'iam_role' || role_arn === null)
    return { message: `no role to assume: auth_method is ${auth_method}` };
  const policies = (principal: string | null) =>
    externalId === null
      ? ''
      : describePolicies({
          roleArn: role_arn,
          externalId,
          bucket,
          prefix: compileGlob(pattern).prefix,
          principal,
        });
  try {
    await source().assumeRole();
  } catch (cause) {
    const error = locate(cause, '');
    const known = externalId === null ? '' : ` (external id ${externalId})`;
    throw new ConnectorError(error.code, `${error.message}${known}`, {
      hint: [error.hint, policies(principalOf(error.message))].filter(Boolean).join('\n'),
      cause,
    });
  }
  return { message: `assumed ${role_arn} with external id ${externalId}`, hint: policies(null) };
}
