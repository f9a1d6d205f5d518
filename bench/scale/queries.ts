/** The queries of the benchmark `scale`, each with its time limit. Tests use them too, to check their plans. */
export interface ScaleQuery {
  name: string;
  text: string;
  values?: unknown[];
  /** Runs before the query in the same transaction. Its time does not count. */
  before?: string;
  /** Milliseconds. */
  limit: number;
}

/** Connectors of data.sql: the one with the most files, one of the others, and one with max_parallel_files. */
const BIG = 'connector 1';
const SMALL = 'connector 77';
const LIMITED = 'connector 10';
/** The default of max_tracked_files: a poll enqueues at most this many files. */
const NEW_FILES = 100;

const query = (name: string, text: string, values: unknown[] = [], more: Partial<ScaleQuery> = {}) => ({
  name,
  text,
  values,
  limit: 50,
  ...more,
});

const STATUS = 'select * from s3_connector.connector_status';
const FILES = 'select * from s3_connector.files';

/** Returns all queries. @param file a queued file of the connector with the most files */
export function scaleQueries(file: { id: number; key: string }): ScaleQuery[] {
  return [...watching(file), ...polling(), ...importing(file.id)];
}

function watching(file: { key: string }): ScaleQuery[] {
  const inOne = `${FILES} where connector_name = $1`;
  return [
    query('connector_status of one', `${STATUS} where name = $1`, [SMALL]),
    query('connector_status of the biggest one', `${STATUS} where name = $1`, [BIG]),
    query('connector_status, all', STATUS, [], { limit: 1000 }),
    query('metrics', 'select * from s3_connector.metrics', [], { limit: 2000 }),
    query('files in failure', `${inOne} and status = 'failure'`, [BIG]),
    query(
      'files in success, the last 100',
      `${inOne} and status = 'success' order by finished_at desc nulls last limit 100`,
      [BIG],
    ),
    query(
      'files in failure, the last 1,000 of all',
      `${FILES} where status = 'failure' order by finished_at desc nulls last limit 1000`,
    ),
    query('files running, over all connectors', `${FILES} where status = 'running'`),
    query('files by prefix', `${inOne} and key like 'data/1/2021/03/%'`, [BIG]),
    query('files by prefix, over all connectors', `${FILES} where key like 'data/77/2020/01/1%'`),
    query('files by substring, in a smaller one', `${inOne} and key like '%c4ca%'`, [SMALL]),
    query('files in key order, a page', `${inOne} and key > $2 order by key limit 100`, [
      BIG,
      'data/1/2100/',
    ]),
    query(
      'file_history of a file',
      'select * from s3_connector.file_history where connector_name = $1 and key = $2',
      [BIG, file.key],
    ),
    query('running_files', 'select * from s3_connector.running_files'),
    query('workers', 'select * from s3_connector.workers'),
    query(
      'polls of a connector',
      'select * from s3_connector.polls where connector_name = $1 order by started_at desc',
      [BIG],
    ),
  ];
}

function polling(): ScaleQuery[] {
  const objects = Array.from({ length: NEW_FILES }, (_, n) => ({
    key: `data/z${n + 100}`,
    etag: '"etag"',
    size_bytes: 1000,
    last_modified: '2026-01-01',
  }));
  return [
    query('enqueue_due_polls, 100 due', 'select s3_connector_private.enqueue_due_polls()', [], {
      before: `update s3_connector_private.progress set next_poll_at = now()
        where connector_name in (select 'connector ' || n from generate_series(1, 100) n)`,
    }),
    query('tracked_files', 'select s3_connector_private.tracked_files($1)', [BIG]),
    query(
      `commit_poll, ${NEW_FILES} files`,
      `select s3_connector_private.commit_poll($1, 'data/z', null, $2, null, false, now() + interval '1 hour', now(), 1, 1, 1)`,
      [BIG, JSON.stringify(objects)],
    ),
    query('fail_poll', "select s3_connector_private.fail_poll($1, now(), now(), 1, 'code', 'error')", [BIG]),
    query('enqueue more', 'select s3_connector_private.enqueue_more($1)', [BIG]),
    query('dispatch', 'select s3_connector_private.dispatch($1)', [LIMITED]),
    query('rescue_files, 50 of a dead worker', 'select s3_connector_private.rescue_files()'),
    query('fold_totals', 'select s3_connector_private.fold_totals()'),
    query('pause', 'select s3_connector.pause($1)', [SMALL]),
    query('resume', 'select s3_connector.resume($1)', [SMALL], {
      before: `select s3_connector.pause('${SMALL}')`,
    }),
  ];
}

function importing(fileId: number): ScaleQuery[] {
  const start = `select s3_connector_private.start_attempt(${fileId}, 2)`;
  return [
    query('start_attempt', start),
    query(
      'finish_attempt',
      'select s3_connector_private.finish_attempt($1, (select attempt_id from s3_connector.files where id = $1), 100, 100, 0, 0)',
      [fileId],
      {
        before: start,
      },
    ),
    query(
      'fail_attempt',
      "select s3_connector_private.fail_attempt($1, (select attempt_id from s3_connector.files where id = $1), 'throttled', 'SlowDown', true)",
      [fileId],
      { before: start },
    ),
  ];
}
