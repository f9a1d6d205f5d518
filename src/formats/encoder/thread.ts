/** The encoder thread. It reads and encodes one file at a time, in parallel to the worker's main thread. */
import { parentPort } from 'node:worker_threads';
import { saveCompiled } from '../../child_env.ts';
import { type Entry, openEntries } from '../../compression/entries.ts';
import { ConnectorError, locate } from '../../errors.ts';
import { SpooledFile } from '../../fetch/spooled_file.ts';
import {
  type Section as CsvSection,
  readSections as readCsv,
  type SectionPlan,
} from '../csv/binary/sections.ts';
import type { LineJump } from '../csv/normalize/file_lines.ts';
import { openRows, openRowsInto } from '../csv/rows.ts';
import { type StrayQuote, StrayQuotes } from '../csv/stray_quotes.ts';
import type { JsonPlan } from '../json/plan.ts';
import { readSections as readJson } from '../json/sections.ts';
import type { RowOrder } from '../sort/row_order.ts';
import { sortSections } from '../sort/sorted_sections.ts';
import { giveBack } from '../spare_buffers.ts';
import type { ReadRequest, Section, ThreadAnswer, ThreadRequest, Work } from './protocol.ts';

/** How many sections may be on their way to the worker. */
const WINDOW = 4;

/** The file that is being read. */
let file: SpooledFile | undefined;
let credit = 0;
let creditGiven: () => void = () => {};

saveCompiled();
parentPort!.on('message', (request: ThreadRequest) => {
  if (request.type === 'more') {
    credit += 1;
    creditGiven();
  } else if (request.type === 'free') {
    giveBack(request.buffer);
  } else if (request.type === 'grown') {
    file?.grow(request.available);
  } else {
    read(request).then(
      (read) => answer({ type: 'done', ...read }),
      (error) => answer(refusal(error)),
    );
  }
});

/** A section, and the jumps of the file's lines since the one before. */
interface Encoded<Kind extends Section = Section> {
  section: Kind;
  jumps: LineJump[];
}

/** Sends the sections of an entry; returns the number of rows, and the first with a stray quote. */
async function read(request: ReadRequest): Promise<{ rows: number; stray: StrayQuote | null }> {
  credit = WINDOW;
  file = new SpooledFile(request.file);
  let position = 0;
  let sent = 0;
  const strays = new StrayQuotes();
  for await (const entry of openEntries(file, request.limits)) {
    if (position++ !== request.entry) continue;
    for await (const encoded of encode(entry, request.work, strays)) {
      sent += encoded.section.rows;
      await send(encoded);
    }
    break;
  }
  return { rows: sent, stray: strays.first };
}

/** Yields an entry's sections. A new format that is encoded needs one line here. */
function encode(entry: Entry, work: Work, strays: StrayQuotes): AsyncIterable<Encoded> {
  if (work.format === 'json') return encodeJson(entry, work.plan);
  return work.order === undefined
    ? encodeCsv(entry, work.plan, strays)
    : encodeSorted(entry, work.plan, work.order, strays);
}

async function* encodeSorted(
  entry: Entry,
  plan: SectionPlan,
  order: RowOrder,
  strays: StrayQuotes,
): AsyncGenerator<Encoded> {
  const sections = async function* () {
    for await (const { section } of encodeCsv(entry, plan, strays)) {
      answer({ type: 'collecting', wanted: file?.wanted ?? 0 });
      yield section;
    }
  };
  // An error names no line of sorted rows, so nobody needs the jumps.
  for await (const section of sortSections(sections(), order)) yield { section, jumps: [] };
}

async function* encodeCsv(
  entry: Entry,
  plan: SectionPlan,
  strays: StrayQuotes,
): AsyncGenerator<Encoded<CsvSection>> {
  const { dialect, normalize, maxRowBytes } = plan;
  const source = { entry, dialect, normalize, maxRowBytes, strays };
  const straight = await openRowsInto(source);
  const { bytes, normalizer } = straight ? { bytes: straight, normalizer: null } : openRows(source);
  let known = 0;
  for await (const section of readCsv(bytes, plan, strays)) {
    const jumps = normalizer?.fileLines.since(known) ?? [];
    known += jumps.length;
    yield { section, jumps };
  }
}

async function* encodeJson(entry: Entry, plan: JsonPlan): AsyncGenerator<Encoded> {
  for await (const section of readJson(entry.open(), plan)) yield { section, jumps: [] };
}

async function send({ section, jumps }: Encoded): Promise<void> {
  while (credit === 0) {
    await new Promise<void>((resolve) => {
      creditGiven = resolve;
    });
  }
  credit -= 1;
  const transfer = [section.data.buffer];
  if ('lines' in section && section.lines) transfer.push(section.lines.buffer);
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
