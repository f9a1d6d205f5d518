import pg from 'pg';

/** How one statement, or one inside a function that it calls, read the table. */
export interface Scan {
  /** The index, or `seq` for a sequential scan. */
  by: string;
  statement: string;
}

interface PlanNode {
  'Node Type': string;
  'Relation Name'?: string;
  'Index Name'?: string;
  'Total Cost': number;
  Plans?: PlanNode[];
}

interface RecordedPlan {
  'Query Text': string;
  Plan: PlanNode;
  /** Planner settings that are not the defaults. */
  Settings?: Record<string, string>;
}

/** The default of jit_above_cost. A plan that a setting rules out, and that is taken for want of another, costs more in PostgreSQL 15 to 17. */
const JIT_ABOVE_COST = 100_000;

/**
 * A session whose plans are recorded: those of its statements and of all that run inside functions and triggers. Needs a
 * superuser, because it loads auto_explain.
 */
export class Planner {
  readonly #client: pg.Client;
  #plans: RecordedPlan[] = [];

  private constructor(client: pg.Client) {
    this.#client = client;
    client.on('notice', ({ message }) => {
      const json = /^duration: .*? plan:\n(.*)$/s.exec(message ?? '')?.[1];
      if (json !== undefined) this.#plans.push(JSON.parse(json));
    });
  }

  static async open(url: string): Promise<Planner> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    await client.query(
      `load 'auto_explain';
      set auto_explain.log_min_duration = 0;
      set auto_explain.log_nested_statements = on;
      set auto_explain.log_settings = on;
      set auto_explain.log_format = json;
      set auto_explain.log_level = notice;
      set client_min_messages = notice`,
    );
    return new Planner(client);
  }

  /**
   * Runs a statement in a transaction that is rolled back.
   * @param before run first in the same transaction; its plans do not count
   * @returns how it read the table, without duplicates
   */
  async scans(table: string, text: string, values: unknown[] = [], before?: string): Promise<Scan[]> {
    await this.#run(text, values, before);
    const found = new Map<string, Scan>();
    for (const { 'Query Text': statement, Plan } of this.#plans) {
      for (const by of scansIn(Plan, table)) found.set(by, { by, statement });
    }
    return [...found.values()];
  }

  /**
   * Runs a statement in the same way, but nothing is planned before: what a session plans first, it keeps.
   * @returns the statements that a server with LLVM would compile first, which takes longer than most of ours do
   */
  async compiled(text: string, values: unknown[] = [], before?: string): Promise<string[]> {
    await this.#run(text, values, `${before ?? ''}; discard plans`);
    const costly = this.#plans.filter(
      ({ Plan, Settings }) => Plan['Total Cost'] >= JIT_ABOVE_COST && Settings?.jit !== 'off',
    );
    return [...new Set(costly.map((plan) => plan['Query Text']))];
  }

  async #run(text: string, values: unknown[], before: string | undefined): Promise<void> {
    await this.#client.query('begin');
    try {
      if (before) await this.#client.query(before);
      this.#plans = [];
      await this.#client.query(text, values);
    } finally {
      await this.#client.query('rollback');
    }
  }

  async close(): Promise<void> {
    await this.#client.end();
  }
}

function* scansIn(node: PlanNode, table: string): Generator<string> {
  if (node['Relation Name'] === table) {
    if (node['Node Type'].endsWith('Seq Scan')) yield 'seq';
    if (node['Index Name']) yield node['Index Name'];
  }
  // The index of a bitmap scan is in the node below the one that names the table.
  if (node['Node Type'] === 'Bitmap Index Scan' && node['Index Name']?.startsWith(`${table}_`)) {
    yield node['Index Name'];
  }
  for (const child of node.Plans ?? []) yield* scansIn(child, table);
}
