/** Copies by INSERT, through a staging table: into targets that take no COPY, and if PostgreSQL computes columns. */
import { quoteTable } from '../table/table.ts';
import { castsOf, checkComputed } from './check_computed.ts';
import type { Destination } from './destination.ts';
import type { CopyRows } from './part_copy.ts';
import { evaluations, insertComputed, planSource, SOURCE, type SourcePlan } from './source.ts';
import { CLEAR_SOURCE, dropTemporary, makeSource } from './staging.ts';

/**
 * Returns a way of copying by INSERT. Each COPY goes into the source, and its rows go on from there in the same message.
 * @param copyRows copies into the source
 * @throws ConnectorError `bad_expression`, `target_has_rules`
 */
export function withInserts(copyRows: CopyRows): CopyRows {
  return async function copyByInserts(copy, destination) {
    // The staging table of a merge takes COPY.
    if (copy.plan.computed.length === 0 && destination.table !== quoteTable(copy.table))
      return await copyRows(copy, destination);
    const source = planSource(copy, castsOf(copy.plan, await checkComputed(copy)));
    await makeSource(copy, source.plan);
    const counts = await copyRows({ ...copy, plan: source.plan }, throughSource(source, destination));
    await dropTemporary(copy, SOURCE);
    return counts;
  };
}

/** Returns the source as a destination whose rows go on into another. */
function throughSource(source: SourcePlan, destination: Destination): Destination {
  const { table, onward = [] } = destination;
  return {
    ...destination,
    table: SOURCE,
    columns: source.filled,
    // A scan of a temporary table returns its rows in the order of the COPY.
    onward: [insertComputed(table, source), CLEAR_SOURCE, ...onward],
    evaluations: evaluations(source),
  };
}
