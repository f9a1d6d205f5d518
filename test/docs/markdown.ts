import { glob, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A page of the documentation. */
export interface Page {
  /** Relative to the project's directory: `docs/errors.md`. */
  path: string;
  text: string;
}

/** A fenced block of SQL. */
export interface SqlBlock {
  line: number;
  sql: string;
  /** Why it is not run: the paragraph above it after "Not run by the tests:". */
  notRun: string | undefined;
}

/** Every Markdown file of the project. */
export async function readPages(): Promise<Page[]> {
  const paths = await Array.fromAsync(
    glob('**/*.md', { cwd: ROOT, exclude: (name) => ['node_modules', 'dist', '.git'].includes(name) }),
  );
  return await Promise.all(
    paths.sort().map(async (path) => ({ path, text: await readFile(`${ROOT}/${path}`, 'utf8') })),
  );
}

export function sqlBlocks({ text }: Page): SqlBlock[] {
  return [...text.matchAll(/^```sql\n(.*?)^```$/gms)].map(({ index, 1: sql }) => ({
    line: lineAt(text, index),
    sql: sql!,
    notRun: /Not run by the tests: (.+)\n\n$/.exec(text.slice(0, index))?.[1],
  }));
}

/** Text that looks like SQL outside a block of SQL, which nobody would run. */
export function straySql({ path, text }: Page): string[] {
  const outside = text.replaceAll(/^```sql\n.*?^```$/gms, (block) => block.replaceAll(/[^\n]/g, ''));
  return [
    ...outside.matchAll(/^(?: {4,}|```\n)(?:select|insert|update|delete|create|alter|grant|call) .*/gim),
  ].map(({ index, 0: found }) => `${path}:${lineAt(outside, index)}: ${found.trim()}`);
}

/** The statements of a block, separated by a semicolon at the end of a line, except within dollar quotes. */
export function statements(sql: string): string[] {
  const parts: string[] = [];
  let open = '';
  for (const part of sql.split(/(?<=;)[ \t]*\n/)) {
    open += `${part}\n`;
    if (open.split('$$').length % 2 === 0) continue;
    if (open.replaceAll(/--.*$/gm, '').trim()) parts.push(open.trim());
    open = '';
  }
  return parts;
}

/** The cells of every row of the tables below a heading, up to the next heading of the same level, without header rows. */
export function tableRows(text: string): string[][] {
  return [...text.matchAll(/^\|(.*)\|$/gm)]
    .map(([, cells]) => cells!.split(/(?<!\\)\|/).map((cell) => cell.trim()))
    .filter((cells) => cells[0]!.startsWith('`'));
}

/** The anchors that GitHub gives the headings of a page. */
export function anchors({ text }: Page): Set<string> {
  const headings = text.replaceAll(/^```.*?^```$/gms, '').matchAll(/^#+ (.*)$/gm);
  return new Set(
    [...headings].map(([, heading]) =>
      heading!
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** The links of a page to files of the project or to its own headings. */
export function localLinks({ text }: Page): string[] {
  return [...text.replaceAll(/^```.*?^```$/gms, '').matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target!)
    .filter((target) => !/^[a-z]+:/.test(target));
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}
