/**
 * Spans of OpenTelemetry, if an SDK is loaded into the process. Without one the API does nothing: a file costs six calls.
 * A span has no text of an error, which may have values of the file.
 */
import { type Attributes, type Span, SpanStatusCode, trace } from '@opentelemetry/api';
import type { ReadConnector } from './db/schema.ts';
import { version } from './version.ts';

/** `attempt` has the others within it, but for `list`, which is of a poll. */
export type SpanName = 'attempt' | 'list' | 'fetch' | 'read' | 'copy' | 'record';

/** What a span says about its result. */
export interface SpanFigures {
  rows?: number;
  bytes?: number;
  /** Keys in the answers to LIST requests. */
  keys?: number;
}

const tracer = trace.getTracer('pg-s3-connector', version);

/** Returns what a span says of its connector, and of the file if there is one. */
export function spanOf({ name, bucket }: Pick<ReadConnector, 'name' | 'bucket'>, key?: string): Attributes {
  return {
    's3_connector.name': name,
    'aws.s3.bucket': bucket,
    ...(key === undefined ? {} : { 'aws.s3.key': key }),
  };
}

/** Runs within a span, which is the parent of those that begin in `run`. */
export async function inSpan<Result>(
  name: SpanName,
  attributes: Attributes,
  run: () => Promise<Result>,
  figuresOf?: (result: Result) => SpanFigures,
): Promise<Result> {
  return await tracer.startActiveSpan(name, { attributes }, async (span) => {
    try {
      const result = await run();
      endSpan(span, figuresOf?.(result));
      return result;
    } catch (error) {
      failSpan(span, error);
      throw error;
    }
  });
}

/** Begins a span that `endSpan` or `failSpan` must end. */
export function startSpan(name: SpanName, attributes: Attributes): Span {
  return tracer.startSpan(name, { attributes });
}

export function endSpan(span: Span, { rows, bytes, keys }: SpanFigures = {}): void {
  if (rows !== undefined) span.setAttribute('s3_connector.rows', rows);
  if (bytes !== undefined) span.setAttribute('s3_connector.bytes', bytes);
  if (keys !== undefined) span.setAttribute('s3_connector.keys', keys);
  span.end();
}

/** Ends a span with the code of an error. */
export function failSpan(span: Span, error: unknown): void {
  const { code } = error as { code?: unknown };
  span.setAttribute('error.type', typeof code === 'string' ? code : 'unexpected');
  span.setStatus({ code: SpanStatusCode.ERROR });
  span.end();
}

/** Passes the parts of a file on. A span is the time until the columns of a part are known: rows are read while they are copied. */
export async function* readInSpans<Part>(
  parts: AsyncIterable<Part>,
  attributes: Attributes,
): AsyncGenerator<Part> {
  const source = parts[Symbol.asyncIterator]();
  try {
    for (;;) {
      const span = startSpan('read', attributes);
      const next = await source.next().catch((error) => {
        failSpan(span, error);
        throw error;
      });
      // A span that is not ended is not exported: there is no further part.
      if (next.done) return;
      endSpan(span);
      yield next.value;
    }
  } finally {
    await source.return?.();
  }
}
