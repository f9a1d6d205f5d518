/** What a connector must do: the "model", against which histories are compared. */
import { type Flaw, type Format, flawOf, type Kind, type Version } from './bodies.ts';

/** The columns of a connector that a history chooses. */
export interface Settings {
  kind: Kind;
  format: Format;
  conflict: 'skip' | 'update';
  lateKeys: 'report' | 'import';
  onOverwrite: 'ignore' | 'report' | 'reimport';
  /** What happens to new columns and to values that do not fit. */
  growth: 'fixed' | 'ignore' | 'grow' | 'rescue';
  onBadRow: 'fail' | 'skip';
  /** Whether the first import makes the table. */
  created: boolean;
  places: number;
  parallel: 1 | null;
  hasStart: boolean;
  /** Whether the connector has a file_id_column. */
  lineage: boolean;
  /** Whether the connector has an on_import. */
  follows: boolean;
}

export interface TrackedFile {
  status: 'in_queue' | 'running' | 'paused' | 'success' | 'failure' | 'cancelled' | 'undone';
  /** The version that was imported, or is to be. */
  version: Version;
  /** The version whose rows are in the table. */
  rows: Version | null;
  /** Every version that was imported, in order. */
  imports: Version[];
  /** How often the file was queued again after it had failed. */
  retries: number;
}

export interface Note {
  reason: 'late' | 'overwritten';
  version: Version;
  /** Whether the key may have been settled in the meantime, so that the note may be gone. */
  isDoubtful?: true;
}

/** SQLSTATEs of refusals. */
export type Refusal = '42704' | '55000' | undefined;

export class Model {
  readonly settings: Settings;
  isRunning = true;
  readonly startAfter: string | null;
  marker: string | null;
  /** Polls surely see only keys after it: after `set_marker`, those before are for audits and events. */
  sight: string | null;
  readonly bucket = new Map<string, Version>();
  readonly files = new Map<string, TrackedFile>();
  readonly notes = new Map<string, Note>();
  /** The key of a file whose import is kept from ending. */
  held: string | null = null;

  constructor(settings: Settings, startAfter: string | null) {
    this.settings = settings;
    this.startAfter = startAfter;
    this.marker = startAfter;
    this.sight = startAfter;
  }

  poll(): Refusal {
    if (!this.isRunning) return '55000';
    for (const key of this.keys()) {
      if (isAfter(key, this.marker)) this.track(key, this.bucket.get(key)!);
      else if (isAfter(key, this.sight)) this.look(key);
    }
    const last = this.keys().at(-1);
    if (last !== undefined && isAfter(last, this.marker)) this.marker = last;
    this.admit();
    return undefined;
  }

  /** Sees all keys up to the marker, also of a paused connector, and forgets notes about objects that are gone. */
  audit(): void {
    for (const key of this.keys()) if (!isAfter(key, this.marker)) this.look(key);
    for (const [key, { reason }] of this.notes) {
      // After `set_marker`, keys beyond the marker are not late, and an audit does not look at them.
      const isBeyond = isAfter(key, this.marker);
      if (isBeyond ? reason === 'late' : !this.bucket.has(key)) this.notes.delete(key);
    }
    this.admit();
  }

  /** An event about a key, which is lost on a paused connector. */
  event(key: string): void {
    if (!this.isRunning || !this.bucket.has(key)) return;
    if (isAfter(key, this.marker)) this.poll();
    else this.look(key);
    this.admit();
  }

  pause(): void {
    this.isRunning = false;
    for (const file of this.files.values()) if (file.status === 'in_queue') file.status = 'paused';
  }

  resume(): void {
    if (this.isRunning) return;
    this.isRunning = true;
    for (const file of this.files.values()) if (file.status === 'paused') file.status = 'in_queue';
    this.work();
    this.poll();
  }

  setMarker(key: string | null): void {
    this.marker = key;
    this.sight = key;
    if (this.isRunning) this.poll();
  }

  retry(): void {
    for (const [key, file] of this.files) if (file.status === 'failure') this.queue(key);
    this.work();
  }

  retryFile(key: string): Refusal {
    const file = this.files.get(key);
    if (!file) return '42704';
    if (file.status === 'success') return '55000';
    if (hasEnded(file)) this.queue(key);
    this.work();
    return undefined;
  }

  cancel(key: string): Refusal {
    const file = this.files.get(key);
    if (!file) return '42704';
    if (file.status === 'success') return '55000';
    if (file.status !== 'undone') file.status = 'cancelled';
    this.work();
    return undefined;
  }

  undo(key: string): Refusal {
    const file = this.files.get(key);
    if (!file) return '42704';
    if (file.rows === null && file.status === 'undone') return undefined;
    if (file.rows === null || !this.settings.lineage) return '55000';
    file.rows = null;
    file.status = 'undone';
    return undefined;
  }

  /** Deletes the rows at once, unless the file waits to replace them, and imports what the bucket has now. */
  reimport(key: string): Refusal {
    const file = this.files.get(key);
    if (!file) return '42704';
    if (file.status === 'success') {
      const refusal = this.undo(key);
      if (refusal) return refusal;
    }
    if (hasEnded(file)) this.queue(key);
    this.work();
    return undefined;
  }

  importLate(): void {
    for (const [key, note] of this.notes) {
      if (note.reason === 'late') this.take(key, note);
      else if (this.isReplaceable(key, note)) this.replace(key, note);
    }
    this.work();
  }

  /** A look at a key behind the marker, by a poll, an audit or an event. */
  look(key: string): void {
    const version = this.bucket.get(key)!;
    const file = this.files.get(key);
    if (!isAfter(key, this.startAfter)) return;
    if (!file) this.notes.set(key, { reason: 'late', version });
    else if (!this.isOverwritten(file, version)) this.notes.delete(key);
    else if (this.settings.onOverwrite !== 'ignore') this.notes.set(key, { reason: 'overwritten', version });
  }

  /** Takes what was noted, as late_keys and on_overwrite say, and imports what waits. */
  admit(): void {
    if (!this.isRunning) return;
    for (const [key, note] of this.notes) {
      if (note.reason === 'late' && this.settings.lateKeys === 'import') this.take(key, note);
      if (
        note.reason === 'overwritten' &&
        this.settings.onOverwrite === 'reimport' &&
        this.isReplaceable(key, note)
      )
        this.replace(key, note);
    }
    this.work();
  }

  take(key: string, { version }: Note): void {
    this.notes.delete(key);
    this.track(key, version);
  }

  replace(key: string, { version }: Note): void {
    this.notes.delete(key);
    this.queue(key);
    this.files.get(key)!.version = version;
  }

  track(key: string, version: Version): void {
    if (this.files.has(key)) return;
    this.files.set(key, { status: 'in_queue', version, rows: null, imports: [], retries: 0 });
    this.queue(key);
  }

  queue(key: string): void {
    const file = this.files.get(key)!;
    if (file.status === 'failure') file.retries += 1;
    file.status = this.isRunning ? 'in_queue' : 'paused';
  }

  isOverwritten({ status, version, rows }: TrackedFile, now: Version): boolean {
    return version !== now && (status === 'success' || (status === 'failure' && rows !== null));
  }

  isReplaceable(key: string, note: Note): boolean {
    const file = this.files.get(key)!;
    return this.settings.lineage && this.isOverwritten(file, note.version);
  }

  /**
   * Whether the marker may still be this earlier one. If keys had to wait for places, it stands at the last of them, before keys
   * that were tracked already. The next poll passes those.
   */
  mayStandAt(marker: string): boolean {
    if (this.marker === null || !isAfter(this.marker, marker) || this.settings.places > this.files.size)
      return false;
    return this.files.has(marker) && this.keys().every((key) => !isAfter(key, marker) || this.files.has(key));
  }

  /** Whether a note may be gone: an import has ended since, or it is no longer true, so that the next look at the key removes it. */
  mayBeForgotten(key: string, { reason, version, isDoubtful }: Note): boolean {
    return (
      isDoubtful === true || (reason === 'overwritten' && !this.isOverwritten(this.files.get(key)!, version))
    );
  }

  /** Imports every file that waits; files that change rows wait for those before them. */
  work(): void {
    let isBlocked = false;
    for (const key of [...this.files.keys()].sort()) {
      const file = this.files.get(key)!;
      if (file.status === 'in_queue' && !isBlocked) this.attempt(key, file);
      isBlocked ||= this.settings.kind === 'changes' && !isDone(file);
    }
  }

  /** Imports what the bucket has now, or keeps the rows of the version before. */
  attempt(key: string, file: TrackedFile): void {
    const now = this.bucket.get(key);
    if (key === this.held) file.status = 'running';
    else this.finish(key, now ?? null);
  }

  finish(key: string, version: Version | null): void {
    const file = this.files.get(key)!;
    if (version) file.version = version;
    file.status = version && fits(version, this.settings) ? 'success' : 'failure';
    if (file.status === 'success') {
      file.rows = file.version;
      file.imports.push(file.version);
    }
    const note = this.notes.get(key);
    if (note) note.isDoubtful = true;
  }

  /** Keeps the next import of the file from ending. */
  hold(key: string): void {
    this.held = key;
  }

  /** Lets the import end: with the version with which it began or, if it had to begin again, with what the bucket has now. */
  release(key: string, hasBegunAgain: boolean): void {
    this.held = null;
    const file = this.files.get(key)!;
    if (file.status !== 'running') return;
    if (hasBegunAgain) this.queue(key);
    else this.finish(key, file.version);
    this.work();
  }

  /** Whether a poll imports the next version of the object, after a poll that has found nothing. */
  wouldImport(key: string): boolean {
    const { kind, lateKeys, onOverwrite, lineage } = this.settings;
    if (kind === 'changes' && [...this.files].some(([other, file]) => other < key && !isDone(file)))
      return false;
    const isSeen = isAfter(key, this.sight) && isAfter(key, this.startAfter);
    const file = this.files.get(key);
    if (!file) return isAfter(key, this.marker) || (isSeen && lateKeys === 'import');
    return file.status === 'success' && isSeen && lineage && onOverwrite === 'reimport';
  }

  keys(): string[] {
    return [...this.bucket.keys()].sort();
  }
}

/** Whether a version of a file can be imported. Rows that do not fit may be left out, and columns may be added. */
export function fits({ body }: Version, { growth, onBadRow, format }: Settings): boolean {
  if (body.extra > 0 && growth === 'fixed') return false;
  return onBadRow === 'skip' || !isBad(flawOf(body, format), growth);
}

function isBad(flaw: Flaw, growth: Settings['growth']): boolean {
  if (flaw === 'long') return true;
  if (flaw === 'none' || growth === 'rescue') return false;
  return flaw === 'word' || growth !== 'grow';
}

/** Whether later files that change rows may follow. */
function isDone({ status }: TrackedFile): boolean {
  return status === 'success' || status === 'cancelled' || status === 'undone';
}

function hasEnded({ status }: TrackedFile): boolean {
  return status === 'failure' || status === 'cancelled' || status === 'undone';
}

export function isAfter(key: string, other: string | null): boolean {
  return other === null || key > other;
}
