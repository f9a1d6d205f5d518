import { readFile } from 'node:fs/promises';
import type pg from 'pg';

const SCRIPT = new URL('data.sql', import.meta.url);

/** Fills a database, as a superuser, with connectors and files in all states; see data.sql. */
export async function makeFiles(
  client: pg.Client,
  { connectors, big, small }: { connectors: number; big: number; small: number },
): Promise<void> {
  await client.query(
    "select set_config('scale.connectors', $1, false), set_config('scale.big', $2, false), set_config('scale.small', $3, false)",
    [connectors, big, small],
  );
  await client.query(await readFile(SCRIPT, 'utf8'));
}

/** A file of the biggest connector that waits for its import. */
export async function waitingFile(client: pg.Client): Promise<{ id: number; key: string }> {
  const { rows } = await client.query(
    "select id::integer, key from s3_connector.files where connector_name = 'connector 1' and status = 'in_queue' order by key limit 1",
  );
  return rows[0];
}
