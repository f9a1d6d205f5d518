/** Refuses files that are evidently not JSON. */
import type { ConnectorError } from '../../errors.ts';
import { notJson } from './errors.ts';

/** Returns why a file with this start is not JSON; null if it may be. */
export function otherKind(start: Buffer): ConnectorError | null {
  const magic = start.toString('latin1', 0, 4);
  if (magic === 'PAR1') return notJson('it is Parquet', "Use file_format = 'parquet'.");
  if (/^(\xff\xfe|\xfe\xff|\0.|.\0)/s.test(magic))
    return notJson('it is UTF-16 or UTF-32', 'Write it in UTF-8.');
  const text = start
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .trimStart();
  if (text === '' || /^[{[]/.test(text)) return null;
  if (text.startsWith('<'))
    return notJson(
      'it is XML or HTML',
      'Such a file is often the error message of a server, saved in place of the file. Write the file again, then retry it.',
    );
  return notJson(
    `it begins with ${JSON.stringify(text.slice(0, 40))}, and not with { or [`,
    "Each record is a JSON object. If the file is CSV, use file_format = 'csv'.",
  );
}
