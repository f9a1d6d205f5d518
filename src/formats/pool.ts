/** What reads one file at a time, apart from the worker's own thread. */
export interface PoolMember {
  /** Whether it lives and has answered all that it was asked. */
  readonly usable: boolean;
  kill(): Promise<void>;
}

/** How long a member is kept for the next file, in milliseconds: an idle reader has some 150 MB. */
const KEEP_MS = 60_000;

/** Members, made when first needed, kept a while for the next file, and never more than `size`. */
export class Pool<Member extends PoolMember> {
  readonly #make: () => Member;
  readonly #size: number;
  readonly #keepMs: number;
  /** The one that was used last is at the end, and each has the timer that ends it. */
  readonly #idle: { member: Member; timer: NodeJS.Timeout }[] = [];
  readonly #all = new Set<Member>();
  readonly #waiting: ((member: Member) => void)[] = [];
  /** Ends what acquire has set up to kill a member on abort. */
  readonly #held = new Map<Member, () => void>();

  constructor(make: () => Member, size: number, keepMs = KEEP_MS) {
    this.#make = make;
    this.#size = size;
    this.#keepMs = keepMs;
  }

  /**
   * A member of one's own until it is released; waits while all are taken. When the signal is aborted it is killed: in the
   * midst of a file it does not listen.
   * @throws the signal's reason
   */
  async acquire(signal: AbortSignal): Promise<Member> {
    signal.throwIfAborted();
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
    // It crashed, or was left in the middle of a file: a new one takes its place when there is need.
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
