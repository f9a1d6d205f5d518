/** Decides how many files a worker bundles: none for a while after a bundle that failed. */

/** How many files of a connector go alone after those of its first bundle that failed, and at most. It doubles with each one. */
const FIRST_ALONE = 8;
const MOST_ALONE = 1024;

interface Pause {
  /** Files that still go alone. */
  left: number;
  /** How many will after the next failure. */
  next: number;
}

/** A failed bundle costs the time of its COPY. Where most fail, for example because every file has a bad row, few are tried. */
export class Bundling {
  /** The most files in a bundle; 1: files are never imported together. */
  readonly mostFiles: number;
  /** By connector. */
  readonly #pauses = new Map<string, Pause>();

  constructor(mostFiles: number) {
    this.mostFiles = mostFiles;
  }

  /** Returns the connectors whose next files go alone. */
  get paused(): string[] {
    return [...this.#pauses].filter(([, { left }]) => left > 0).map(([connector]) => connector);
  }

  /** Notes that files of a connector were imported together. */
  succeeded(connector: string): void {
    this.#pauses.delete(connector);
  }

  /** Notes that so many files of a connector could not be imported together. They go alone, too. */
  failed(connector: string, files: number): void {
    const alone = this.#pauses.get(connector)?.next ?? FIRST_ALONE;
    this.#pauses.set(connector, { left: files + alone, next: Math.min(alone * 2, MOST_ALONE) });
  }

  /** Notes that a file of a connector goes alone. */
  wentAlone(connector: string): void {
    const pause = this.#pauses.get(connector);
    if (pause) pause.left = Math.max(pause.left - 1, 0);
  }
}
