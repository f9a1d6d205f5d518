import assert from 'node:assert/strict';
import {
  chmod,
  chown,
  lchown,
  mkdir,
  mkdtemp,
  readdir,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { hostname, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { readConfig } from '../src/config.ts';
import { openSpool } from '../src/worker/spool.ts';

const NOBODY = 65534;
/** Under root, the group of the readers, which are not root, may enter. */
const MODE = userInfo().uid === 0 ? 0o710 : 0o700;
const onlyRoot = {
  skip: process.getuid?.() !== 0 && 'only root can give a directory to another user',
};
/** A directory that all users share, as /tmp. */
const shared = await mkdtemp(join(tmpdir(), 's3-connector-spool-'));
await chmod(shared, 0o1777);
after(() => rm(shared, { recursive: true }));
const own = `${hostname()}.${process.pid}`;

test('the default spool is a directory of the user, and only the user and its readers can enter it', async () => {
  const { spoolDir } = readConfig({ DATABASE_URL: 'postgres://db' });
  assert.equal(spoolDir, join(tmpdir(), `s3_connector_${userInfo().uid}`));
  const made = await openSpool(join(shared, 'made'));
  for (const directory of [join(shared, 'made'), made])
    assert.equal((await stat(directory)).mode & 0o777, MODE, directory);
});

test('a spool that another user made first in a shared directory is refused', onlyRoot, async () => {
  const taken = join(shared, 'taken');
  await mkdir(taken, { mode: 0o777 });
  await chown(taken, NOBODY, NOBODY);
  const refused = {
    code: 'bad_setting',
    message: `SPOOL_DIR is ${taken}, but ${taken} belongs to user ${NOBODY}, and this worker runs as user 0`,
    hint: 'Set SPOOL_DIR to a directory that only the user of this worker can write.',
  };
  await assert.rejects(openSpool(taken), refused);
  await assert.rejects(openSpool(join(taken, 'below')), {
    ...refused,
    message: refused.message.replace(taken, join(taken, 'below')),
  });
  assert.deepEqual(await readdir(taken), []);
});

test('a symbolic link of another user is refused, also to a directory of our own', onlyRoot, async () => {
  const target = await mkdtemp(join(shared, 'target-'));
  const link = join(shared, 'link');
  await symlink(target, link);
  await lchown(link, NOBODY, NOBODY);
  await assert.rejects(openSpool(link), { code: 'bad_setting', message: /link belongs to user 65534/ });
  assert.deepEqual(await readdir(target), []);
});

test('a spool of our own that others can write is refused', async () => {
  const open = join(shared, 'open');
  await mkdir(open);
  await chmod(open, 0o777);
  await assert.rejects(openSpool(open), {
    code: 'bad_setting',
    message: `SPOOL_DIR is ${open}, but ${open} can be written by other users (mode 777)`,
    hint: `Run: chmod 700 ${open}`,
  });
});

test('a mount that others can write, as in a container, is used: no other user can make it', async () => {
  const volume = await mkdtemp(join(shared, 'volume-'));
  const mount = join(volume, 'spool');
  await mkdir(mount);
  await chmod(mount, 0o777);
  assert.equal(await openSpool(mount), join(mount, own));
});

test('the spools of dead workers are removed, never through a link', async () => {
  const spool = await mkdtemp(join(shared, 'left-'));
  const kept = await mkdtemp(join(shared, 'kept-'));
  await writeFile(join(kept, 'file'), 'x');
  // The highest pid that Linux can give is 4194304.
  await mkdir(join(spool, `${hostname()}.4999999`));
  await symlink(kept, join(spool, own));
  await openSpool(spool);
  assert.deepEqual(await readdir(spool), [own]);
  assert.ok((await stat(join(spool, own))).isDirectory());
  assert.deepEqual(await readdir(kept), ['file']);
});
