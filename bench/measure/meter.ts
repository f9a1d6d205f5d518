import { availableParallelism } from 'node:os';
import {
  canMeasure,
  children,
  cpuTime,
  family,
  familyCpu,
  machineCpu,
  memoryBytes,
  residentPages,
  title,
} from './processes.ts';

/** Of one run of one way. CPU is in seconds; what the operating system cannot be asked is undefined. */
export interface Cost {
  seconds: number;
  /** Of the program that loads, and its children: our worker, or psql, or its like. */
  clientCpu: number | undefined;
  /** Of the backends that ran COPY. */
  copyCpu: number | undefined;
  /** Of the server's processes, all of them: other backends and those that write WAL and pages too. */
  serverCpu: number | undefined;
  /** Highest sum of the memory of the loading program and its children; see memoryBytes. */
  peakBytes: number | undefined;
  /** How much of the machine's CPU time went to programs that the bench has not started: from 0 to 1. */
  othersShare: number | undefined;
}

interface Backend {
  first: number;
  last: number;
  copies: boolean;
}

const SAMPLE_MS = 50;
/** What asks for memory takes CPU time from what it measures, so it is asked for only where there is so much more than before. */
const MORE_PAGES = 1.02;

/**
 * Measures from `new` to `stop`: CPU times as differences; what is known of processes that end on the way by looking every
 * 50 ms; memory, to 2 %, in the same way.
 */
export class Meter {
  readonly #postmaster: number;
  readonly #worker: number | undefined;
  readonly #followed: number[];
  readonly #backends = new Map<number, Backend>();
  readonly #start = performance.now();
  #clientCpu: number;
  readonly #serverCpu: number;
  readonly #othersCpu: number;
  readonly #timer: NodeJS.Timeout | undefined;
  #peak = 0;
  #mostPages = 0;

  /** @param worker lives before and after; a program that only lives meanwhile is told to `follow` */
  constructor(postmaster: number, worker?: number) {
    this.#postmaster = postmaster;
    this.#worker = worker;
    this.#followed = worker === undefined ? [] : [worker];
    this.#clientCpu = this.#readClientCpu();
    this.#serverCpu = familyCpu(postmaster);
    this.#othersCpu = this.#readOthersCpu();
    for (const pid of children(postmaster)) {
      const { own } = cpuTime(pid) ?? { own: 0 };
      this.#backends.set(pid, { first: own, last: own, copies: false });
    }
    if (canMeasure) this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  /** A child of this process: counted from now to its end, if that is before `stop`. */
  follow(pid: number): void {
    this.#followed.push(pid);
    this.#clientCpu += cpuTime(pid)?.own ?? 0;
  }

  stop(): Cost {
    const elapsed = (performance.now() - this.#start) / 1000;
    clearInterval(this.#timer);
    this.#sample();
    const known = (value: number) => (canMeasure ? value : undefined);
    const copying = [...this.#backends.values()].filter((backend) => backend.copies);
    return {
      seconds: elapsed,
      clientCpu: known(this.#readClientCpu() - this.#clientCpu),
      copyCpu: known(copying.reduce((sum, { first, last }) => sum + last - first, 0)),
      serverCpu: known(familyCpu(this.#postmaster) - this.#serverCpu),
      peakBytes: known(this.#peak),
      othersShare: known((this.#readOthersCpu() - this.#othersCpu) / (elapsed * availableParallelism())),
    };
  }

  /** A child's CPU time is in that of its parent, this process, once it has ended. */
  #readClientCpu(): number {
    return this.#worker === undefined ? (cpuTime(process.pid)?.ended ?? 0) : familyCpu(this.#worker);
  }

  /** What neither the server nor the client took, nor this process, which is the bucket too. */
  #readOthersCpu(): number {
    if (!canMeasure) return 0;
    const { user, system } = process.cpuUsage();
    return machineCpu() - familyCpu(this.#postmaster) - this.#readClientCpu() - (user + system) / 1e6;
  }

  #sample(): void {
    this.#sampleMemory();
    for (const pid of children(this.#postmaster)) this.#sampleBackend(pid);
  }

  #sampleMemory(): void {
    const pids = this.#followed.flatMap(family);
    const sumOf = (measure: (pid: number) => number) => pids.reduce((sum, pid) => sum + measure(pid), 0);
    const pages = sumOf(residentPages);
    if (pages < this.#mostPages * MORE_PAGES) return;
    this.#mostPages = pages;
    this.#peak = Math.max(this.#peak, sumOf(memoryBytes));
  }

  #sampleBackend(pid: number): void {
    const time = cpuTime(pid);
    if (!time) return;
    const backend = this.#backends.get(pid) ?? { first: 0, last: 0, copies: false };
    this.#backends.set(pid, backend);
    backend.last = time.own;
    // As in `postgres: user database 127.0.0.1(40404) COPY`.
    backend.copies ||= / COPY\b/.test(title(pid));
  }
}
