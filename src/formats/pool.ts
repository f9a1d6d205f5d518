/** A "pool" of readers, sorters or encoders: each reads one file at a time, apart from the worker's own thread. */
import { reach } from '../fault_points.ts';
import { KEEP_MS } from '../keep.ts';

export interface PoolMember {
  /** Whether the member is alive and has answered every request. */
  readonly usable: boolean;
  kill(): Promise<void>;
}

/** Creates members on demand, at most `size`, and keeps idle ones for a while. */
export class Pool<Member extends PoolMember> {
  readonly #make: () => Member;
  readonly #size: number;
  readonly #keepMs: number;
  /** The most recently used member is last. Each has the timer that ends it. */
  readonly #idle: { member: Member; timer: NodeJS.Timeout }[] = [];
  readonly #all = new Set<Member>();
  readonly #waiting: ((member: Member) => void)[] = [];
  /** For each acquired member, removes its abort listener. */
  readonly #held = new Map<Member, () => void>();

  constructor(make: () => Member, size: number, keepMs = KEEP_MS) {
    this.#make = make;
    this.#size = size;
    this.#keepMs = keepMs;
  }

  /**
   * Returns a member that nobody else uses until it is released; waits while all are taken. Aborting the signal kills
   * the member, because it does not read messages while it reads a file.
   * @throws the signal's reason
   */
  async acquire(signal: AbortSignal): Promise<Member> {
    signal.throwIfAborted();
    await reach('take_reader', 'reader');
    const member = await this.#take(signal);
    const kill = () => void member.kill();
    signal.addEventListener('abort', kill);
    this.#held.set(member, () => signal.removeEventListener('abort', kill));
    return member;
  }

  async #take(signal: AbortSignal): Promise<Member> {
    for (let idle = this.#idle.pop(); idle; idle = this.#idle.pop()) {
      clearTimeout(idle.timer);
      if (idle.member.usable) return idle.member;
      this.#all.delete(idle.member);
    }
    return this.#all.size < this.#size ? this.#add() : await this.#wait(signal);
  }

  release(member: Member): void {
    this.#held.get(member)?.();
    this.#held.delete(member);
    const next = this.#waiting.shift();
    if (member.usable) {
      if (next) next(member);
      else this.#keep(member);
      return;
    }
    // It crashed, or its file was not read to the end. A new member replaces it on demand.
    void member.kill();
    this.#all.delete(member);
    if (next) next(this.#add());
  }

  #keep(member: Member): void {
    const timer = setTimeout(() => {
      this.#idle.splice(
        this.#idle.findIndex((idle) => idle.member === member),
        1,
      );
      this.#all.delete(member);
      void member.kill();
    }, this.#keepMs).unref();
    this.#idle.push({ member, timer });
  }

  async close(): Promise<void> {
    for (const { timer } of this.#idle.splice(0)) clearTimeout(timer);
    await Promise.all([...this.#all].map((member) => member.kill()));
  }

  #add(): Member {
    const member = this.#make();
    this.#all.add(member);
    return member;
  }

  #wait(signal: AbortSignal): Promise<Member> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(give), 1);
        reject(signal.reason);
      };
      const give = (member: Member) => {
        signal.removeEventListener('abort', onAbort);
        resolve(member);
      };
      signal.addEventListener('abort', onAbort);
      this.#waiting.push(give);
    });
  }
}
