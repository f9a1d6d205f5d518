import type { TestDatabase } from '../support/database.ts';

export interface Notice {
  message: string;
  hint: string | undefined;
}

/** Calls a procedure in its own session, as psql would; returns its rows and the notices that a person sees. */
export async function call<T extends object>(
  db: TestDatabase,
  statement: string,
): Promise<{ row: T | undefined; notices: Notice[] }> {
  const client = await db.connect();
  const notices: Notice[] = [];
  client.on('notice', ({ message, hint }) => notices.push({ message: message ?? '', hint }));
  try {
    const { rows } = await client.query<T>(statement);
    return { row: rows[0], notices };
  } finally {
    await client.end();
  }
}
