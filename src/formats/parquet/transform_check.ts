/**
 * Decides whether a transform may run: it may use the relation `file`, its own CTEs, and functions that only compute.
 * Everything that DuckDB's parser names and this file does not is refused.
 */
import { FUNCTIONS, TABLE_FUNCTIONS } from './transform_functions.ts';

/** DuckDB's parse tree as json_serialize_sql writes it. */
type Tree = { [field: string]: unknown };

/** Kinds of queries, of what they read from, and of their clauses. */
const KINDS = new Set([
  'SELECT_NODE',
  'SET_OPERATION_NODE',
  'RECURSIVE_CTE_NODE',
  'CTE_NODE',
  'BASE_TABLE',
  'SUBQUERY',
  'JOIN',
  'TABLE_FUNCTION',
  'EMPTY',
  'EXPRESSION_LIST',
  'PIVOT',
  'ORDER_MODIFIER',
  'LIMIT_MODIFIER',
  'LIMIT_PERCENT_MODIFIER',
  'DISTINCT_MODIFIER',
  'ORDER_DEFAULT',
  'ASCENDING',
  'DESCENDING',
]);

/** Classes of expressions. PARAMETER and DEFAULT have no meaning here; the others are the planner's own. */
const CLASSES = new Set([
  'BETWEEN',
  'CASE',
  'CAST',
  'COLLATE',
  'COLUMN_REF',
  'COMPARISON',
  'CONJUNCTION',
  'CONSTANT',
  'FUNCTION',
  'LAMBDA',
  'LAMBDA_REF',
  'OPERATOR',
  'POSITIONAL_REFERENCE',
  'STAR',
  'SUBQUERY',
  'TYPE',
  'WINDOW',
]);

/** The relation that a transform reads. */
const FILE = 'file';

/**
 * Returns why a transform is refused; null if it may run.
 * @param parsed what json_serialize_sql returns
 */
export function refusal(parsed: string): string | null {
  // DuckDB serializes only selects.
  const { error, error_message: reason, statements } = JSON.parse(parsed);
  if (error) return String(reason);
  if (statements.length !== 1) return `expected one statement, got ${statements.length}`;
  try {
    visit(statements[0], new Set([FILE]));
    return null;
  } catch (refused) {
    if (refused instanceof Refused) return refused.message;
    throw refused;
  }
}

class Refused extends Error {}

/** @param relations the names that a query here may read from */
function visit(tree: unknown, relations: ReadonlySet<string>): void {
  if (Array.isArray(tree)) for (const item of tree) visit(item, relations);
  if (tree === null || typeof tree !== 'object' || Array.isArray(tree)) return;
  const node = tree as Tree;
  checkKind(node);
  if (node.type === 'BASE_TABLE') checkRelation(node, relations);
  if ('function_name' in node) checkFunction(node.function_name, FUNCTIONS);
  const inside = 'cte_map' in node ? visitCtes(node, relations) : relations;
  for (const [field, value] of Object.entries(node)) {
    if (field === 'cte_map') continue;
    if (field === 'function' && node.type === 'TABLE_FUNCTION') visitTableFunction(value as Tree, inside);
    else visit(value, inside);
  }
}

function checkKind(node: Tree): void {
  if ('class' in node) {
    if (!CLASSES.has(String(node.class))) throw new Refused(`it has an expression of class ${node.class}`);
    return;
  }
  // The type of a constant is an object; that of a data type ends with its own word.
  if (typeof node.type !== 'string' || node.type.endsWith('_TYPE_INFO')) return;
  if (!KINDS.has(node.type)) throw new Refused(`it has a ${node.type}`);
}

function checkRelation(
  { catalog_name, schema_name, table_name }: Tree,
  relations: ReadonlySet<string>,
): void {
  const name = [catalog_name, schema_name, table_name].filter((part) => part !== '').join('.');
  if (!relations.has(name.toLowerCase())) throw new Refused(`it reads from ${name}`);
}

function checkFunction(name: unknown, allowed: ReadonlySet<string>): void {
  if (!allowed.has(String(name).toLowerCase())) throw new Refused(`it calls ${name}`);
}

function visitTableFunction(call: Tree, relations: ReadonlySet<string>): void {
  checkFunction(call.function_name, TABLE_FUNCTIONS);
  visit({ ...call, function_name: 'range' }, relations);
}

/** Returns the relations with the query's CTEs. Each sees those before it, and itself only if it is recursive. */
function visitCtes({ cte_map }: Tree, relations: ReadonlySet<string>): ReadonlySet<string> {
  const names = new Set(relations);
  const { map } = cte_map as { map: { key: string; value: { query: { node: Tree } } }[] };
  for (const { key, value } of map) {
    const recursive = value.query.node.type === 'RECURSIVE_CTE_NODE';
    visit(value, recursive ? new Set([...names, key.toLowerCase()]) : names);
    names.add(key.toLowerCase());
  }
  return names;
}
