/** Makes the table of AWS's errors in docs/errors.md from the rows in src/sources/s3_error_table.ts. */
import { type AwsRequest, ERROR_ROWS, type ErrorRow } from '../src/sources/s3_error_table.ts';

const BEGIN = '<!-- Generated from src/sources/s3_error_table.ts by `npm run docs`. -->';
const END = '<!-- End of the generated part. -->';

const REQUESTS: Record<AwsRequest, string> = {
  list: 'LIST',
  object: 'GET, HEAD',
  role: 'role of the connector',
  credentials: "worker's credentials",
};

/** Returns the page with the current table in the place of its old one. */
export function withAwsErrors(page: string): string {
  const [before, rest] = page.split(BEGIN);
  const after = rest?.split(END)[1];
  if (after === undefined) throw new Error(`docs/errors.md must have ${BEGIN} and ${END}`);
  return [before, BEGIN, `\n\n${tableOfAwsErrors()}\n\n`, END, after].join('');
}

function tableOfAwsErrors(): string {
  const rows = [['code', '', 'asked for', 'answer', 'cause', 'what to do'], ...ERROR_ROWS.map(cellsOf)];
  const widths = rows[0]!.map((_, column) => Math.max(3, ...rows.map((cells) => cells[column]!.length)));
  const [head, ...body] = rows.map((cells) => cells.map((cell, column) => cell.padEnd(widths[column]!)));
  const rule = widths.map((width) => '-'.repeat(width));
  return [head!, rule, ...body].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function cellsOf(row: ErrorRow): string[] {
  return [
    `\`${row.code}\``,
    row.passing ? 'passing' : 'lasting',
    row.of.map((request) => REQUESTS[request]).join(', '),
    answerOf(row),
    sentence(row.message({ request: row.of[0]!, bucket: '`bucket`', what: placeOf(row.of[0]!) })),
    row.hint ?? '',
  ];
}

function answerOf({ says, saying, status = [] }: ErrorRow): string {
  const codes = says.filter((code) => code !== '*').map((code) => `\`${code}\``);
  const statuses = status.map((one) => `any other ${one}`);
  const rest = says.includes('*') ? ['anything else'] : [];
  const about = saying ? `, with a message about ${saying.about}` : '';
  return `${[...codes, ...statuses, ...rest].join(', ')}${about}`;
}

function placeOf(request: AwsRequest): string {
  if (request === 'role') return '`role_arn`';
  return request === 'list' ? 'key or listing' : '`key`';
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
