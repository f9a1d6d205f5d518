import type { ConnectorColumns, FileRow, World } from '../support/world.ts';

export const FILES = 30;
export const ROWS = 3;

export const keyOf = (name: string, file: number) => `${name}/${String(file).padStart(3, '0')}`;

/** Returns a file with three rows, whose values identify them. */
export function csv(file: number, end = '\n'): string {
  const rows = Array.from({ length: ROWS }, (_, n) => `${file},${n},${file * ROWS + n}`);
  return `file,n,value\n${rows.join('\n')}${end}`;
}

interface Making extends Partial<ConnectorColumns> {
  files?: number;
  /** Constraints of the table. */
  constraints?: string;
  bodyOf?: (file: number) => Buffer | string;
}

/** Makes a table and files, and a connector for them. All files begin to wait at the same moment. */
export async function insertFiles(world: World, name: string, making: Making = {}): Promise<void> {
  const { files = FILES, constraints = '', bodyOf = csv, ...columns } = making;
  await world.db.query(
    `create table ${name} (file integer, n integer, value integer, file_id bigint ${constraints})`,
  );
  for (let file = 0; file < files; file++) world.put(keyOf(name, file), bodyOf(file));
  await world.insertConnector({
    name,
    pattern: `${name}/*`,
    target_table: name,
    file_id_column: 'file_id',
    ...columns,
  });
}

/** As `insertFiles`, and waits until all files have ended. */
export async function importFiles(world: World, name: string, making?: Making): Promise<FileRow[]> {
  await insertFiles(world, name, making);
  return await world.settled(name);
}

/** Returns how many transactions have written the rows of a table. */
export async function transactions({ db }: World, table: string): Promise<number> {
  const { count } = await db.one<{ count: number }>(`select count(distinct xmin::text) from ${table}`);
  return Number(count);
}

/** Waits until so many files of a connector are running. */
export async function untilRunning({ db }: World, name: string, files: number): Promise<void> {
  await db.waitFor(
    "select from s3_connector.files where connector_name = $1 and status = 'running'",
    (running) => running.length === files,
    { values: [name] },
  );
}

/**
 * Makes a connector's files begin one bundle, which waits for a lock on the table, and runs a function meanwhile. Afterwards the bundle
 * goes on.
 * @param files how many are in the bundle
 */
export async function duringBundle(
  world: World,
  name: string,
  files: number,
  begin: () => Promise<unknown>,
  run: () => Promise<unknown>,
): Promise<void> {
  const blocker = await world.db.connect();
  await blocker.query(`begin; lock table ${name} in share mode`);
  try {
    await begin();
    await untilRunning(world, name, files);
    await run();
  } finally {
    // Otherwise the only place of the worker would wait for ever, and with it all later tests.
    await blocker.end();
  }
}

/** Inserts a connector whose files are all in one bundle while a function runs. */
export async function whileBundled(world: World, name: string, run: () => Promise<unknown>): Promise<void> {
  await insertFiles(world, name, { state: 'paused' });
  const begin = () => world.db.query('select s3_connector.resume($1)', [name]);
  await duringBundle(world, name, FILES, begin, run);
}
