/** Measures the time, CPU and memory of one run. */
import { availableParallelism } from 'node:os';
import {
  canMeasure,
  children,
  cpuTime,
  machineCpu,
  memoryBytes,
  processTree,
  processTreeCpu,
  residentPages,
  title,
} from './processes.ts';

/** The cost of one run. CPU times are in seconds. Values that the operating system does not provide are undefined. */
export interface Cost {
  seconds: number;
  /** CPU of the loading program and its children. */
  clientCpu: number | undefined;
  /** CPU of the backends that ran COPY. */
  copyCpu: number | undefined;
  /** CPU of all processes of the server, including those that write WAL and pages. */
  serverCpu: number | undefined;
  /** Peak memory of the loading program and its children together; see memoryBytes. */
  peakBytes: number | undefined;
  /** The share (0 to 1) of the machine's CPU time that other programs used. */
  othersShare: number | undefined;
}

interface Backend {
  first: number;
  last: number;
  copies: boolean;
}

const SAMPLE_MS = 50;
/** Reading the memory exactly costs CPU time. It is read only when the resident pages grow by this factor. */
const GROWTH = 1.02;

/**
 * Measures from `new` to `stop`. CPU times are differences. Backends and memory are sampled every 50 ms; the peak memory
 * is accurate to 2 %.
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

  /** @param worker a process that already runs. For a program that starts later, call `follow`. */
  constructor(postmaster: number, worker?: number) {
    this.#postmaster = postmaster;
    this.#worker = worker;
    this.#followed = worker === undefined ? [] : [worker];
    this.#clientCpu = this.#readClientCpu();
    this.#serverCpu = processTreeCpu(postmaster);
    this.#othersCpu = this.#readOthersCpu();
    for (const pid of children(postmaster)) {
      const { own } = cpuTime(pid) ?? { own: 0 };
      this.#backends.set(pid, { first: own, last: own, copies: false });
    }
    if (canMeasure) this.#timer = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  /** Measures a child of this process too, from now on. It must end before `stop`. */
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
      serverCpu: known(processTreeCpu(this.#postmaster) - this.#serverCpu),
      peakBytes: known(this.#peak),
      othersShare: known((this.#readOthersCpu() - this.#othersCpu) / (elapsed * availableParallelism())),
    };
  }

  /** The CPU time of a child that has ended is counted in its parent, which is this process. */
  #readClientCpu(): number {
    return this.#worker === undefined ? (cpuTime(process.pid)?.ended ?? 0) : processTreeCpu(this.#worker);
  }

  /** The CPU time of all processes except the server, the client and this process, which is also the bucket. */
  #readOthersCpu(): number {
    if (!canMeasure) return 0;
    const { user, system } = process.cpuUsage();
    return machineCpu() - processTreeCpu(this.#postmaster) - this.#readClientCpu() - (user + system) / 1e6;
  }

  #sample(): void {
    this.#sampleMemory();
    for (const pid of children(this.#postmaster)) this.#sampleBackend(pid);
  }

  #sampleMemory(): void {
    const pids = this.#followed.flatMap(processTree);
    const sumOf = (measure: (pid: number) => number) => pids.reduce((sum, pid) => sum + measure(pid), 0);
    const pages = sumOf(residentPages);
    if (pages < this.#mostPages * GROWTH) return;
    this.#mostPages = pages;
    this.#peak = Math.max(this.#peak, sumOf(memoryBytes));
  }

  #sampleBackend(pid: number): void {
    const time = cpuTime(pid);
    if (!time) return;
    const backend = this.#backends.get(pid) ?? { first: 0, last: 0, copies: false };
    this.#backends.set(pid, backend);
    backend.last = time.own;
    // For example `postgres: user database 127.0.0.1(40404) COPY`.
    backend.copies ||= / COPY\b/.test(title(pid));
  }
}
