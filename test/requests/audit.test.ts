import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import { openWorld } from '../support/world.ts';
import { call } from './support.ts';

const world = await openWorld();
const { db } = world;
before(() => world.startWorker());

const audit = async (name: string) => (await call(db, `call s3_connector.audit('${name}')`)).notices[0]!;
const late = (name: string) =>
  db.query('select key, reason from s3_connector.late_files where connector_name = $1 order by key', [name]);
const importLate = async (name: string, pattern = '**') =>
  (await db.one<{ count: number }>('select s3_connector.import_late($1, $2) as count', [name, pattern]))
    .count;
const rows = async (table: string) =>
  (await db.query<{ n: number }>(`select n from ${table} order by n`)).map(({ n }) => n);
const csv = (n: number) => `n\n${n}\n`;

test('an audit finds late keys and overwritten files before the marker, over several pages, and nothing else', async () => {
  for (let i = 0; i < 1100; i++) world.put(`pages/a${String(i).padStart(4, '0')}.csv`, csv(i));
  world.put('pages/b.csv', csv(-1));
  await world.insertConnector({
    name: 'pages',
    pattern: 'pages/*.csv',
    target_table: 'pages',
    start_after: 'pages/a1097.csv',
  });
  await world.settled('pages');
  assert.match(
    (await audit('pages')).message,
    /^3 keys listed up to the marker, 3 match: 0 late, 0 overwritten$/,
  );

  world.put('pages/a1098-late.csv', csv(5000));
  world.put('pages/a1098-late.txt', 'does not match');
  world.put('pages/a0000-before-start.csv', csv(5001));
  world.put('pages/c-beyond-marker.csv', csv(5002));
  world.put('pages/a1099.csv', csv(5003));
  const notice = await audit('pages');
  assert.match(notice.message, /1 late, 1 overwritten$/);
  assert.match(notice.hint!, /import_late\('pages'\)/);
  assert.deepEqual(await late('pages'), [
    { key: 'pages/a1098-late.csv', reason: 'late' },
    { key: 'pages/a1099.csv', reason: 'overwritten' },
  ]);
  assert.equal(
    (
      await db.one<{ late_files: number }>(
        "select late_files from s3_connector.connector_status where name = 'pages'",
      )
    ).late_files,
    2,
  );

  // A listing of several pages whose keys are all untracked.
  await world.insertConnector({
    name: 'all',
    pattern: 'pages/*.csv',
    target_table: 'pages',
    state: 'paused',
  });
  await db.query("select s3_connector.set_marker('all', 'pages/b.csv')");
  assert.match((await audit('all')).message, /1103 match: 1103 late, 0 overwritten$/);
  assert.deepEqual(
    await db.query(
      `select asked, error, finished_at is not null as finished, marker, position, keys_late::integer, keys_matched::integer,
        list_requests::integer
      from s3_connector.audits where connector_name = 'all'`,
    ),
    [
      {
        asked: true,
        error: null,
        finished: true,
        marker: 'pages/b.csv',
        position: 'pages/b.csv',
        keys_late: 1103,
        keys_matched: 1103,
        list_requests: 3,
      },
    ],
  );
});

test('import_late imports the late keys that match, once', async () => {
  for (const key of ['b', 'd', 'f']) world.put(`late/${key}.csv`, csv(key.charCodeAt(0)));
  await world.insertConnector({ name: 'late', pattern: 'late/*', target_table: 'late' });
  await world.settled('late');
  world.put('late/a.csv', csv(1));
  world.put('late/c.csv', csv(2));
  world.put('late/e.csv', csv(3));
  await audit('late');
  assert.equal(await importLate('late', 'late/{a,c}.csv'), 2);
  assert.equal(await importLate('late', 'late/{a,c}.csv'), 0);
  await world.settled('late');
  assert.deepEqual(await rows('late'), [1, 2, 98, 100, 102]);
  assert.deepEqual(await late('late'), [{ key: 'late/e.csv', reason: 'late' }]);
  assert.deepEqual((await Promise.all([importLate('late'), importLate('late')])).sort(), [0, 1]);
  await world.settled('late');
  assert.deepEqual(await rows('late'), [1, 2, 3, 98, 100, 102]);
  assert.match((await audit('late')).message, /0 late, 0 overwritten/);
});

test('late keys of a paused connector wait until it is resumed', async () => {
  world.put('resting/b.csv', csv(2));
  await world.insertConnector({ name: 'resting', pattern: 'resting/*', target_table: 'resting' });
  await world.settled('resting');
  await db.query("select s3_connector.pause('resting')");
  world.put('resting/a.csv', csv(1));
  await audit('resting');
  assert.equal(await importLate('resting'), 1);
  assert.deepEqual(await db.query("select status from s3_connector.files where key = 'resting/a.csv'"), [
    { status: 'paused' },
  ]);
  await db.query("select s3_connector.resume('resting')");
  await world.settled('resting');
  assert.deepEqual(await rows('resting'), [1, 2]);
});

test('an overwritten file without file_id_column is left unchanged, with a notice', async () => {
  world.put('over/1.csv', csv(1));
  await world.insertConnector({ name: 'over', pattern: 'over/*', target_table: 'over' });
  await world.settled('over');
  world.put('over/1.csv', csv(2));
  await audit('over');
  const { row, notices } = await call<{ import_late: number }>(db, "select s3_connector.import_late('over')");
  assert.equal(Number(row!.import_late), 0);
  assert.match(notices[0]!.message, /1 overwritten files are left as they are/);
  assert.match(notices[0]!.hint!, /file_id_column/);
  assert.deepEqual(await rows('over'), [1]);
  assert.equal((await late('over')).length, 1);
});

test('an audit keeps what is noted of an overwritten file beyond the marker, at which it does not look', async () => {
  world.put('set_back/a.csv', csv(1));
  await world.insertConnector({ name: 'set_back', pattern: 'set_back/*', target_table: 'late' });
  await world.settled('set_back');
  world.put('set_back/a.csv', csv(2));
  await audit('set_back');
  const noted = [{ key: 'set_back/a.csv', reason: 'overwritten' }];
  assert.deepEqual(await late('set_back'), noted);
  await db.query("select s3_connector.pause('set_back')");
  await db.query("select s3_connector.set_marker('set_back', null)");
  await audit('set_back');
  assert.deepEqual(await late('set_back'), noted);
});

test('an overwritten file with file_id_column is imported again and replaces its old rows', async () => {
  await db.query('create table again (n integer, file_id bigint)');
  for (const n of [1, 2, 3]) world.put(`again/${n}.csv`, csv(n));
  await world.insertConnector({
    name: 'again',
    pattern: 'again/*',
    target_table: 'again',
    file_id_column: 'file_id',
  });
  await world.settled('again');
  world.put('again/1.csv', csv(10));
  world.put('again/2.csv', csv(20));
  world.put('again/0.csv', csv(0));
  assert.match((await audit('again')).message, /1 late, 2 overwritten$/);
  await db.query("select s3_connector.reimport_file('again', 'again/2.csv')");
  assert.equal(
    await importLate('again'),
    2,
    'the late one, and the one that nobody has imported again by hand',
  );
  assert.equal(await importLate('again'), 0);
  await world.settled('again');
  assert.deepEqual(await late('again'), []);
  assert.deepEqual(await rows('again'), [0, 3, 10, 20]);
  assert.match((await audit('again')).message, /0 late, 0 overwritten$/);
});

test('an operator replaces overwritten files too: a worker deletes their old rows as the owner', async () => {
  await db.query(`create table guarded (n integer, file_id bigint); create table deletions (who name);
    create function note_deletion() returns trigger language plpgsql as
      $$ begin insert into deletions values (current_user); return old; end $$;
    create trigger note before delete on guarded for each row execute function note_deletion()`);
  world.put('guarded/1.csv', csv(1));
  await world.insertConnector({
    name: 'guarded',
    pattern: 'guarded/*',
    target_table: 'guarded',
    file_id_column: 'file_id',
  });
  await world.settled('guarded');
  world.put('guarded/0.csv', csv(0));
  world.put('guarded/1.csv', csv(2));
  await audit('guarded');
  const operator = await db.createRole('in role s3_connector_operator');
  const client = await db.connect(operator);
  const { rows: counted } = await client.query("select s3_connector.import_late('guarded') as files");
  assert.deepEqual(counted, [{ files: 2 }]);
  await db.waitFor<{ n: number[] }>(
    'select array(select n from guarded order by n) as n',
    ([row]) => row?.n.join() === '0,2',
  );
  assert.deepEqual(await db.query('select who from deletions'), [{ who: db.person.name }]);
});

test('an audit of a connector that has imported nothing finds nothing', async () => {
  await world.insertConnector({ name: 'fresh', pattern: 'fresh/*', target_table: 'fresh' });
  assert.match((await audit('fresh')).message, /^0 keys listed/);
});
