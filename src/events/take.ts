/** Applies events to a connector: polls it for keys ahead of its marker, and looks at objects behind it. */
import { type Kysely, sql } from 'kysely';
import { objectsJson } from '../db/objects_json.ts';
import type { Connector, Database } from '../db/schema.ts';
import { at } from '../fault_points.ts';
import { headAll } from '../sources/heads.ts';
import type { Source } from '../sources/source.ts';
import type { ObjectEvent } from './s3_event.ts';

/**
 * Polls the connector if an event is about a key that its next poll would list, or about a restored object. Behind the marker no
 * poll lists, so objects there are noted: as late, or as overwritten. Nor does a poll list all of a long tail, so objects there are
 * enqueued. An event may be old, repeated, or about an earlier version. So it only says where to look; a HEAD says what is there now.
 * @returns how many objects it looked at, and whether the connector had places for all of them
 * @throws ConnectorError the errors of `source.head`; errors of the database. Nothing is noted then.
 */
export async function takeEvents(
  db: Kysely<Database>,
  { name }: Connector,
  { source, events, signal }: { source: Source; events: readonly ObjectEvent[]; signal: AbortSignal },
): Promise<{ looked: number; isDone: boolean }> {
  const told = events.map(({ key, etag, kind }) => ({ key, etag, is_new: kind === 'created' }));
  const take = sql<{ key: string }>`
    select key from s3_connector_private.take_events(${name}, ${JSON.stringify(told)}::text::jsonb) key`;
  const { rows } = await at('take_events', () => take.execute(db));
  if (rows.length === 0) return { looked: 0, isDone: true };
  const keys = rows.map(({ key }) => key);
  const objects = await at('head_objects', () => headAll(source, keys, { signal }), 'source');
  const note = sql<{ is_done: boolean }>`
    select s3_connector_private.note_events(${name}, ${objectsJson(objects.filter((object) => object !== null))}::text::jsonb) as is_done`;
  const answer = await at('note_events', () => note.execute(db));
  return { looked: rows.length, isDone: answer.rows[0]!.is_done };
}
