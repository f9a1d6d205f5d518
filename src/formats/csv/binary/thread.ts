/** The encoder thread. It reads and encodes one CSV file at a time, in parallel to the worker's main thread. */
import { parentPort } from 'node:worker_threads';
import { openEntries } from '../../../compression/entries.ts';
import { ConnectorError, locate } from '../../../errors.ts';
import { SpooledFile } from '../../../fetch/spooled_file.ts';
import type { LineJump } from '../normalize/file_lines.ts';
import { openRows } from '../rows.ts';
import { type StrayQuote, StrayQuotes } from '../stray_quotes.ts';
import type { ReadRequest, ThreadAnswer, ThreadRequest } from './protocol.ts';
import { readSections, type Section } from './sections.ts';

/** How many sections may be on their way to the worker. */
const WINDOW = 4;

/** The file that is being read. */
let file: SpooledFile | undefined;
let credit = 0;
let creditGiven: () => void = () => {};

parentPort!.on('message', (request: ThreadRequest) => {
  if (request.type === 'more') {
    credit += 1;
    creditGiven();
  } else if (request.type === 'grown') {
    file?.grow(request.available);
  } else {
    read(request).then(
      (read) => answer({ type: 'done', ...read }),
      (error) => answer(refusal(error)),
    );
  }
});

/** Sends the sections of an entry; returns the number of rows, and the first with a stray quote. */
async function read(request: ReadRequest): Promise<{ rows: number; stray: StrayQuote | null }> {
  const { dialect, normalize, maxRowBytes } = request.plan;
  credit = WINDOW;
  file = new SpooledFile(request.file);
  let position = 0;
  let sent = 0;
  const strays = new StrayQuotes();
  for await (const entry of openEntries(file, request.limits)) {
    if (position++ !== request.entry) continue;
    const { bytes, normalizer } = openRows({ entry, dialect, normalize, maxRowBytes, strays });
    let jumps = 0;
    for await (const section of readSections(bytes, request.plan, strays)) {
      sent += section.rows;
      const more = normalizer?.fileLines.since(jumps) ?? [];
      jumps += more.length;
      await send(section, more);
    }
    break;
  }
  return { rows: sent, stray: strays.first };
}

async function send(section: Section, jumps: LineJump[]): Promise<void> {
  while (credit === 0) {
    await new Promise<void>((resolve) => {
      creditGiven = resolve;
    });
  }
  credit -= 1;
  const transfer = [section.data.buffer];
  if (section.kind === 'binary' && section.lines) transfer.push(section.lines.buffer);
  answer({ type: 'section', section, jumps, wanted: file?.wanted ?? 0 }, transfer);
}

function refusal(error: unknown): ThreadAnswer {
  const { code, message, passing, hint, line, column } =
    error instanceof ConnectorError ? error : locate(error, '');
  return { type: 'refused', code, message, options: { passing, hint, line, column } };
}

function answer(message: ThreadAnswer, transfer: ArrayBuffer[] = []): void {
  parentPort!.postMessage(message, transfer);
}
