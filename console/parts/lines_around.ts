/** The lines of a file around one of its lines: the command that reads them. Only rejected rows are kept in the database. */
import { type Html, html } from '../html.ts';
import { copyButton } from './key.ts';

export interface ObjectPlace {
  bucket: string;
  key: string;
  region: string | null;
  endpoint: string | null;
  /** The kind of its format. */
  kind: string;
}

/** So many lines before and after. */
const AROUND = 3;

/** How a program reads each compression. An archive has several files with such a line. */
const READERS: Record<string, string> = { gz: 'gzip -dc', zst: 'zstd -dc' };

/** Returns the command, or nothing if lines mean nothing in the file. */
export function linesAround(place: ObjectPlace, line: number | undefined): Html | undefined {
  const command = line === undefined ? undefined : commandFor(place, line);
  if (command === undefined) return undefined;
  return html`<details class="around"><summary>See line ${line} between its neighbours</summary>
<p class="note">The database has the rejected rows, but not the lines around them. This command reads them from the object, with its first line:</p>
<pre class="sql" tabindex="0" role="group" aria-label="Command"><code>${command}</code></pre>${copyButton(command)}</details>`;
}

/** Returns the line that an error message names: "line 3, column n: ...". */
export function lineIn(message: string | null): number | undefined {
  const [, line] = /\bline (\d{1,15})\b/.exec(message ?? '') ?? [];
  return line === undefined ? undefined : Number(line);
}

function commandFor({ bucket, key, region, endpoint, kind }: ObjectPlace, line: number): string | undefined {
  if (kind === 'parquet' || /\.zip$/i.test(key)) return undefined;
  const reader = READERS[/\.(\w+)$/.exec(key)?.[1]?.toLowerCase() ?? ''];
  const first = Math.max(line - AROUND, 2);
  const fetch = [
    `aws s3 cp ${quote(`s3://${bucket}/${key}`)} -`,
    ...(region ? [`--region ${quote(region)}`] : []),
    ...(endpoint ? [`--endpoint-url ${quote(endpoint)}`] : []),
  ].join(' ');
  return [fetch, ...(reader ? [reader] : []), `sed -n '1p;${first},${line + AROUND}p'`].join(' | ');
}

/** Quotes an argument for a shell. */
function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
