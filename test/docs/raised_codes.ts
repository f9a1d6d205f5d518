import { glob, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { ERROR_ROWS } from '../../src/sources/s3_error_table.ts';
import { isPassingSqlstate } from '../../src/sql_errors.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const CODE = /^[a-z][a-z0-9_]*$/;

/** The classes of an error code: passing, lasting or both. */
export type Kind = 'passing' | 'lasting';

/** The error codes that the program raises, with their classes. */
export class RaisedCodes {
  readonly kinds = new Map<string, Set<Kind>>();
  /** Places, as file:line, where an error code is created in a way that this reader does not recognize. */
  readonly unknown: string[] = [];

  add(code: string, passing: boolean): void {
    const kinds = this.kinds.get(code) ?? new Set();
    this.kinds.set(code, kinds.add(passing ? 'passing' : 'lasting'));
  }
}

/** Collects them from src/ and tasks/, and from values that sql/ writes into error_code. */
export async function collectRaisedCodes(): Promise<RaisedCodes> {
  const found = new RaisedCodes();
  for (const { path, text } of await sources('{src,tasks}/**/*.ts')) {
    if (path !== 'src/sources/s3_error_table.ts') readTypeScript(found, path, text);
  }
  for (const { code, passing = false } of ERROR_ROWS) found.add(code, passing);
  for (const { text } of await sources('sql/**/*.sql')) {
    // An error that the database records for a file by itself is retried.
    for (const [, code] of text.matchAll(/(?<![.\w])error_code = '(\w+)'/g)) found.add(code!, true);
    // Codes that a function returns, and the worker raises.
    for (const [, code] of text.matchAll(/\bcode := '(\w+)'/g)) found.add(code!, false);
  }
  return found;
}

/** The conditions and SQLSTATEs that functions in sql/ raise. */
export async function collectSqlConditions(): Promise<Set<string>> {
  const conditions = new Set<string>();
  for (const { text } of await sources('sql/**/*.sql')) {
    // `errcode = 'a'`, or one of several: `errcode = case ... then 'a' else 'b' end`.
    for (const [, value] of text.matchAll(/\berrcode\s*=\s*('\w+'|case\b.*?\bend\b)/gs)) {
      for (const [, name] of value!.matchAll(/(?:^|then |else )'(\w+)'/g)) conditions.add(name!);
    }
  }
  return conditions;
}

/** The codes that docstrings name after `@throws ConnectorError`. */
export async function collectPromisedCodes(): Promise<{ code: string; path: string }[]> {
  const files = await sources('{src,tasks}/**/*.ts');
  return files.flatMap(({ path, text }) =>
    [...text.matchAll(/@throws ConnectorError ([^*]*)/g)].flatMap(([, promise]) =>
      [...promise!.matchAll(/`(\w+)`/g)]
        .map(([, code]) => ({ code: code!, path }))
        .filter(({ code }) => code.includes('_')),
    ),
  );
}

async function sources(pattern: string): Promise<{ path: string; text: string }[]> {
  const paths = (await Array.fromAsync(glob(pattern, { cwd: ROOT }))).sort();
  return await Promise.all(
    paths.map(async (path) => ({ path, text: await readFile(`${ROOT}/${path}`, 'utf8') })),
  );
}

function readTypeScript(found: RaisedCodes, path: string, text: string): void {
  for (const { index } of text.matchAll(/new ConnectorError\(/g)) {
    const call = argumentsAt(text, index + 'new ConnectorError('.length);
    const first = /^\s*([^,]+)/.exec(call)![1]!.trim();
    const code = literal(first) ?? constant(text, first);
    if (code !== undefined) {
      found.add(code, saysPassing(call));
      // The same code as the error that it reports.
      if (/\bpassing: \w+\.passing\b/.test(call)) found.add(code, true);
    }
    // Relayed from another error, or taken from a rule: both are found where they are written.
    else if (!/^(?:\w+\.)?code$/.test(first) && !first.startsWith('codeOf(')) {
      found.unknown.push(`${path}:${text.slice(0, index).split('\n').length}`);
    }
  }
  // Rules from which errors are created, as in src/sources/object_version.ts.
  for (const { index, 1: code } of text.matchAll(/\bcode: '([a-z][a-z0-9_]*)'/g))
    found.add(code!, saysPassing(ruleAround(text, index)));
  if (path === 'src/sql_errors.ts') readSqlErrors(found, text);
}

/** The codes of SQLSTATEs: those in the table, and those that codeOf derives for all others. */
function readSqlErrors(found: RaisedCodes, text: string): void {
  const table = /const CODES[^=]*= \{(.*?)\n\};/s.exec(text)![1]!;
  for (const [, sqlstate, code] of table.matchAll(/'?(\w{5})'?: '(\w+)'/g))
    found.add(code!, isPassingSqlstate(sqlstate!));
  const codeOf = /function codeOf\(.*?\n\}/s.exec(text)![0];
  for (const [, code] of codeOf.matchAll(/return '(\w+)'/g)) found.add(code!, false);
  for (const [, prefix] of codeOf.matchAll(/`(\w+)\$\{sqlstate\}`/g)) {
    found.add(`${prefix}<SQLSTATE>`, true);
    found.add(`${prefix}<SQLSTATE>`, false);
  }
}

const literal = (text: string) =>
  CODE.test(text.slice(1, -1)) && /^'.*'$/.test(text) ? text.slice(1, -1) : undefined;

const constant = (text: string, name: string) =>
  /^[A-Z_]+$/.test(name) ? new RegExp(`const ${name} = '(\\w+)'`).exec(text)?.[1] : undefined;

const saysPassing = (text: string) => /\bpassing: true\b/.test(text);

/** The text between the parenthesis that is open before `start` and its closing one. */
function argumentsAt(text: string, start: number): string {
  let depth = 1;
  let quote = '';
  for (let i = start; i < text.length; i++) {
    const c = text[i]!;
    if (c === '\\') i++;
    else if (quote) quote = c === quote ? '' : quote;
    else if (text.startsWith('//', i)) i = text.indexOf('\n', i);
    else if (`'"\``.includes(c)) quote = c;
    else if (c === '(') depth++;
    else if (c === ')' && --depth === 0) return text.slice(start, i);
  }
  throw new Error(`no parenthesis closes the one before ${text.slice(start, start + 40)}`);
}

/** The object literal that a property stands in; rules are flat. */
function ruleAround(text: string, index: number): string {
  const rest = text.slice(index);
  return text.slice(index, index + rest.search(/\n\s*\}/));
}
