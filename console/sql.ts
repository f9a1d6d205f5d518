/** SQL statements that can be run, with bound values, and shown to people. */
import pg from 'pg';

/** A value to bind. PostgreSQL infers its type from the statement. */
export type SqlValue = string | number | boolean | null | readonly string[];

/** One statement. */
export class Statement {
  /** With placeholders for the values. */
  readonly text: string;
  readonly values: readonly SqlValue[];
  /** As a person would type it, with the values as literals. */
  readonly shown: string;

  constructor(text: string, values: readonly SqlValue[], shown: string) {
    this.text = text;
    this.values = values;
    this.shown = shown;
  }

  /** Whether it is a `call`. Our procedures commit, so they must not run in a transaction block. */
  get isCall(): boolean {
    return /^call\b/.test(this.text);
  }
}

/** Tagged template that makes a statement. Values are bound, and statements are inserted. */
export function sql(strings: TemplateStringsArray, ...parts: (SqlValue | Statement)[]): Statement {
  let text = strings[0]!;
  let shown = strings[0]!;
  const values: SqlValue[] = [];
  for (const [i, part] of parts.entries()) {
    if (part instanceof Statement) {
      text += part.text.replace(/\$(\d+)/g, (_, number) => `$${Number(number) + values.length}`);
      shown += part.shown;
      values.push(...part.values);
    } else {
      values.push(part);
      text += `$${values.length}`;
      shown += literal(part);
    }
    text += strings[i + 1]!;
    shown += strings[i + 1]!;
  }
  return new Statement(text, values, shown);
}

/** Returns an identifier, quoted if necessary. */
export function identifier(name: string): Statement {
  const quoted = /^[a-z_][a-z0-9_]*$/.test(name) ? name : pg.escapeIdentifier(name);
  return new Statement(quoted, [], quoted);
}

/** Joins statements with a separator. */
export function joined(statements: readonly Statement[], separator: string): Statement {
  const [first, ...others] = statements;
  return others.reduce(
    (all, next) => sql`${all}${new Statement(separator, [], separator)}${next}`,
    first ?? sql``,
  );
}

function literal(value: SqlValue): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return pg.escapeLiteral(value).trim();
  if (Array.isArray(value)) return `array[${value.map((item: string) => literal(item)).join(', ')}]`;
  return String(value);
}

/** Returns statements as a person would type them, with `begin` and `commit` around each transaction. */
export function show(statements: readonly Statement[]): string {
  return groups(statements)
    .map((group) => {
      const lines = group.map(({ shown }) => `${shown};`).join('\n');
      return group.length > 1 ? `begin;\n${lines}\ncommit;` : lines;
    })
    .join('\n');
}

/** Groups statements into transactions. Each call is alone. */
export function groups(statements: readonly Statement[]): Statement[][] {
  const found: Statement[][] = [];
  for (const statement of statements) {
    const last = found.at(-1);
    if (!last || statement.isCall || last[0]!.isCall) found.push([statement]);
    else last.push(statement);
  }
  return found;
}
