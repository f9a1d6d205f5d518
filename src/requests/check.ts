/** Answers `call s3_connector.check(name)`: tries everything that an import needs. */
import { sql } from 'kysely';
import { ConnectorError, locate } from '../errors.ts';
import type { Listing } from '../list.ts';
import type { Source } from '../sources/source.ts';
import type { WorkerContext } from '../task.ts';
import { describeCensus } from './census.ts';
import { checkRole } from './check_role.ts';
import { checkServer } from './check_server.ts';
import { checkGrants, checkTarget, type RowsLook } from './check_target.ts';
import type { Request } from './request.ts';
import { type FirstKeys, listFirst, readByte, sampleOf } from './sample.ts';
import type { Step, StepResult } from './step.ts';

/** Runs all steps in order, also after one fails. */
export async function checkConnector(request: Request, worker: WorkerContext): Promise<Step[]> {
  const steps: Step[] = [];
  const attempt = async <T extends StepResult>(
    step: string,
    run: () => Promise<T>,
  ): Promise<T | undefined> => {
    const { result, row } = await tryStep(step, run);
    steps.push(row);
    return result;
  };
  const source = () => worker.sources.open(request.connector);
  await attempt('credentials', () => checkCredentials(source()));
  await attempt('assume role', () => checkRole(request, worker, source));
  const listed = await attempt('list', () => checkList(source(), request));

  await attempt('get', () => checkGet(source(), requireListing(listed), request.signal));
  await attempt('server', () => checkServer(source(), request, requireListing(listed)));
  const sample = listed && sampleOf(listed.listing);
  const target = await attempt('target', () => checkTarget(worker, request, sample));
  await attempt('rows', async () => describeRows(target?.rows));
  await attempt('grants', () => checkGrants(worker, request, target?.columns ?? []));
  await attempt('repeats', () => checkRepeats(worker, request));
  return steps;
}

async function tryStep<T extends StepResult>(
  step: string,
  run: () => Promise<T>,
): Promise<{ result?: T; row: Step }> {
  try {
    const result = await run();
    return { result, row: { step, ok: true, message: result.message, hint: result.hint ?? null } };
  } catch (cause) {
    const error = locate(cause, '');
    return { row: { step, ok: false, message: error.message, hint: error.hint ?? null } };
  }
}

async function checkCredentials(source: Source): Promise<StepResult> {
  return { message: await source.credentials() };
}

async function checkList(
  source: Source,
  { connector }: Request,
): Promise<StepResult & { listing: FirstKeys }> {
  const listing = await listFirst(source, connector, { places: 1000, maxRequests: 1 });
  return {
    listing,
    message: [
      `${listing.keysMatched} of the first ${listing.keysListed} keys match ${connector.pattern}`,
      describeCensus(listing.census),
    ]
      .filter(Boolean)
      .join('; '),
    ...(listing.keysMatched === 0
      ? { hint: 'If there should be files by now, compare the pattern with the keys in the bucket.' }
      : {}),
  };
}

async function checkGet(source: Source, listing: Listing, signal: AbortSignal): Promise<StepResult> {
  const object = sampleOf(listing) ?? listing.objects[0];
  if (!object) return { message: 'nothing to get yet: no key matches' };
  await readByte(source, object, { offset: 0, signal });
  return { message: `got the first byte of ${object.key}` };
}

function describeRows(rows: RowsLook | undefined): StepResult {
  if (rows === undefined) return { message: 'no rows were looked at' };
  if (rows.notice === null) return { message: `the first rows of ${rows.key} are not suspicious` };
  return { message: `${rows.key} would be imported, but look at it`, hint: rows.notice };
}

/** Says which files another connector, or a dropped one, has imported into the same table. */
async function checkRepeats({ control }: WorkerContext, { connector }: Request): Promise<StepResult> {
  const { rows } = await sql<Required<StepResult>>`
    select r.message, r.hint from s3_connector.connectors c
    cross join lateral s3_connector_private.describe_repeats(c) r where c.name = ${connector.name}`.execute(
    control.db,
  );
  return rows[0] ?? { message: 'no file of another connector would come into the table again' };
}

function requireListing(listed: { listing: Listing } | undefined): Listing {
  if (listed) return listed.listing;
  throw new ConnectorError('not_tried', 'not tried, because the bucket could not be listed', {
    hint: 'Fix what the step list says first.',
  });
}
