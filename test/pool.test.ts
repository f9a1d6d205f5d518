import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Pool, type PoolMember } from '../src/formats/pool.ts';

class Member implements PoolMember {
  usable = true;
  readonly killed = Promise.withResolvers<void>();

  async kill(): Promise<void> {
    this.usable = false;
    this.killed.resolve();
  }
}

const { signal } = new AbortController();

test('a returned pool member is given to the next caller', async () => {
  const pool = new Pool(() => new Member(), 1);
  const first = await pool.acquire(signal);
  pool.release(first);
  assert.equal(await pool.acquire(signal), first);
  await pool.close();
});

test('an idle pool member is ended after a while, and another one replaces it', async () => {
  const pool = new Pool(() => new Member(), 1, 1);
  const first = await pool.acquire(signal);
  pool.release(first);
  await first.killed.promise;
  const second = await pool.acquire(signal);
  assert.notEqual(second, first);
  assert.ok(second.usable);
  await pool.close();
});

test('a pool member that is taken in time is not ended', async () => {
  const pool = new Pool(() => new Member(), 2, 1);
  const [kept, other] = [await pool.acquire(signal), await pool.acquire(signal)];
  pool.release(kept);
  assert.equal(await pool.acquire(signal), kept);
  pool.release(other);
  // Its time ends later than that of the one that was taken.
  await other.killed.promise;
  assert.ok(kept.usable);
  await pool.close();
});
