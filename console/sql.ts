import pg from 'pg';

/** What may be bound: PostgreSQL gives each parameter the type that its place asks for. */
export type SqlValue = string | number | boolean | null | readonly string[];

/** One statement, to be run with its values bound, and to be shown to a person with the values in their places. */
export class Statement {
  readonly text: string;
  readonly values: readonly SqlValue[];
  readonly shown: string;

  constructor(text: string, values: readonly SqlValue[], shown: string) {
    this.text = text;
    this.values = values;
    this.shown = shown;
  }

  /** Whether it commits by itself, so that it may not stand in a transaction. */
  get isCall(): boolean {
    return /^call\b/.test(this.text);
  }
}

/** Tagged template: values are bound, statements in it become a part of it. */
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

/** A name, quoted where it must be. */
export function identifier(name: string): Statement {
  const quoted = /^[a-z_][a-z0-9_]*$/.test(name) ? name : pg.escapeIdentifier(name);
  return new Statement(quoted, [], quoted);
}

/** Statements side by side, with a text between them. */
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

/** Statements as a person would type them; what is run in one transaction is shown as one. */
export function show(statements: readonly Statement[]): string {
  return groups(statements)
    .map((group) => {
      const lines = group.map(({ shown }) => `${shown};`).join('\n');
      return group.length > 1 ? `begin;\n${lines}\ncommit;` : lines;
    })
    .join('\n');
}

/** Statements that go together into one transaction; a call goes alone. */
export function groups(statements: readonly Statement[]): Statement[][] {
  const found: Statement[][] = [];
  for (const statement of statements) {
    const last = found.at(-1);
    if (!last || statement.isCall || last[0]!.isCall) found.push([statement]);
    else last.push(statement);
  }
  return found;
}
