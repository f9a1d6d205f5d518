/** Makes the data of the benchmark `scale`. Tests use it too. */
import { readFile } from 'node:fs/promises';
import type pg from 'pg';

const SCRIPT = new URL('data.sql', import.meta.url);

/** Fills a database with connectors and files in all states; see data.sql. The role must be a superuser. */
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

/** Returns a queued file of the biggest connector. */
export async function waitingFile(client: pg.Client): Promise<{ id: number; key: string }> {
  const { rows } = await client.query(
    "select id::integer, key from s3_connector.files where connector_name = 'connector 1' and status = 'in_queue' order by key limit 1",
  );
  return rows[0];
}
