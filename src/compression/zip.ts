/** Expands zip archives, also zip64. */
import { createReadStream } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import { crc32, createInflateRaw } from 'node:zlib';
import yauzl from 'yauzl';
import { ConnectorError } from '../errors.ts';
import { CHUNK_BYTES, type Compression, type Limits } from './compression.ts';
import { checkExpanded } from './limits.ts';

/** A limit, because each entry is a COPY of its own: so many small ones take some 10 s. */
const MAX_ENTRIES = 10_000;
/** The size of an entry's local header, without its name. */
const LOCAL_HEADER_BYTES = 30;
/** If an archive was written on Unix, the upper half of the attributes has the type of the file (APPNOTE.TXT 4.4.2, 4.4.15). */
const UNIX = 3;
const FILE_TYPE = 0o170000;
const SYMBOLIC_LINK = 0o120000;
const STORED = 0;
const DEFLATED = 8;
/** Names of other methods of zip programs (APPNOTE.TXT 4.4.5). */
const METHODS: Record<number, string> = {
  9: 'Deflate64',
  12: 'bzip2',
  14: 'LZMA',
  93: 'Zstandard',
  95: 'XZ',
  98: 'PPMd',
};

/** The place of an entry in the archive, and its size and checksum. */
interface Member {
  name: string;
  start: number;
  compressedSize: number;
  size: number;
  crc32: number;
  deflated: boolean;
  headerStart: number;
  /** The least possible end of the entry in the archive. */
  end: number;
}

/** Reads the central directory. Each file is an entry, in the directory's order. */
export const zip: Compression = {
  name: 'zip',
  detect: (start) => ['PK\x03\x04', 'PK\x05\x06', 'PK\x07\x08'].includes(start.toString('latin1', 0, 4)),
  async *entries(file, limits) {
    const { path } = file;
    // The directory is at the end of the file.
    await file.whole();
    await file.onDisk();
    // Check the whole directory first, so that no entry of a bad archive is read.
    checkApart(await listMembers(path, limits));
    for await (const { member, archive, entry } of members(path)) {
      member.start = await dataStart(archive, entry, member.name);
      const { name, size } = member;
      yield { name, sizeBytes: size, open: () => Readable.from(expand(path, member), { objectMode: false }) };
    }
  },
};

async function listMembers(path: string, limits: Limits): Promise<Member[]> {
  const listed: Member[] = [];
  let size = 0;
  for await (const { member } of members(path)) {
    size += member.size;
    checkExpanded(size, limits);
    listed.push(member);
  }
  return listed;
}

/** Refuses entries that share bytes (a zip bomb), and two entries with the same name. */
function checkApart(listed: Member[]): void {
  const names = new Set<string>();
  let before: Member | undefined;
  for (const member of listed.sort((a, b) => a.headerStart - b.headerStart)) {
    if (before && member.headerStart < before.end)
      throw corrupt(`entries "${before.name}" and "${member.name}" share bytes`);
    if (names.has(member.name)) throw corrupt(`there are two entries "${member.name}"`);
    names.add(member.name);
    before = member;
  }
}

async function* members(path: string) {
  try {
    const archive = await yauzl.openPromise(path, { autoClose: false, decodeStrings: false });
    try {
      if (archive.entryCount > MAX_ENTRIES) throw tooManyEntries(archive.entryCount);
      for await (const entry of archive.eachEntry()) {
        const member = toMember(entry);
        if (member) yield { member, archive, entry };
      }
    } finally {
      archive.close();
    }
  } catch (error) {
    throw translate(error);
  }
}

/** Returns null for entries without data: folders, and files that macOS adds. */
function toMember(entry: yauzl.Entry): Member | null {
  const { generalPurposeBitFlag, fileNameRaw, extraFields, compressionMethod } = entry;
  const name = yauzl.getFileNameLowLevel(generalPurposeBitFlag, fileNameRaw, extraFields, false);
  if (name.endsWith('/') || name.startsWith('__MACOSX/') || /(^|\/)\.DS_Store$/.test(name)) return null;
  if (entry.isEncrypted()) throw encrypted(`entry "${name}" of the zip file is encrypted`);
  if (isSymbolicLink(entry)) {
    throw new ConnectorError('unsupported_zip', `entry "${name}" of the zip file is a symbolic link`, {
      hint: 'Put the file itself into the archive.',
    });
  }
  if (compressionMethod !== STORED && compressionMethod !== DEFLATED) {
    const method = METHODS[compressionMethod] ?? 'unknown';
    throw new ConnectorError(
      'unsupported_zip',
      `expected entry "${name}" of the zip file to be stored or deflated, got method ${compressionMethod} (${method})`,
      { hint: 'Write the zip file with the method Deflate.' },
    );
  }
  return {
    name,
    start: 0,
    compressedSize: entry.compressedSize,
    size: entry.uncompressedSize,
    crc32: entry.crc32,
    deflated: compressionMethod === DEFLATED,
    headerStart: entry.relativeOffsetOfLocalHeader,
    end: entry.relativeOffsetOfLocalHeader + LOCAL_HEADER_BYTES + fileNameRaw.length + entry.compressedSize,
  };
}

function isSymbolicLink({ versionMadeBy, externalFileAttributes }: yauzl.Entry): boolean {
  return versionMadeBy >> 8 === UNIX && ((externalFileAttributes >>> 16) & FILE_TYPE) === SYMBOLIC_LINK;
}

async function dataStart(archive: yauzl.ZipFile, entry: yauzl.Entry, name: string): Promise<number> {
  try {
    const { fileDataStart } = await archive.readLocalFileHeaderPromise(entry, { minimal: true });
    return fileDataStart;
  } catch (error) {
    throw translate(error, name);
  }
}

async function* expand(path: string, member: Member): AsyncGenerator<Buffer> {
  let size = 0;
  let checksum = 0;
  try {
    for await (const chunk of memberBytes(path, member)) {
      size += chunk.length;
      if (size > member.size) break;
      checksum = crc32(chunk, checksum);
      yield chunk;
    }
  } catch (error) {
    throw translate(error, member.name);
  }
  if (size !== member.size) {
    const actual = size > member.size ? 'more' : `${size}`;
    throw corrupt(`expected ${member.size} bytes in entry "${member.name}", got ${actual}`);
  }
  if (checksum !== member.crc32)
    throw corrupt(`entry "${member.name}" has another CRC-32 than the directory says`);
}

function memberBytes(path: string, { start, compressedSize, deflated }: Member): AsyncIterable<Buffer> {
  if (compressedSize === 0) return Readable.from([]);
  const file = createReadStream(path, { start, end: start + compressedSize - 1 });
  if (!deflated) return file;
  const inflate = createInflateRaw({ chunkSize: CHUNK_BYTES });
  // Only pipeline closes the file when the reader stops; errors arrive through inflate.
  pipeline(file, inflate, () => {});
  return inflate;
}

function translate(error: unknown, entryName?: string): unknown {
  if (error instanceof ConnectorError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  // yauzl's own errors have no code; those of the file system and zlib do.
  if (code !== undefined && (!code.startsWith('Z_') || code === 'Z_MEM_ERROR')) return error;
  if (message.includes('strong encryption')) return encrypted('the zip file is encrypted', error);
  if (message.includes('multi-disk')) {
    return new ConnectorError(
      'unsupported_zip',
      'expected a whole zip file, got one part of a split archive',
      {
        hint: 'Upload the archive as one file.',
        cause: error,
      },
    );
  }
  return corrupt(entryName === undefined ? message : `entry "${entryName}": ${message}`, error);
}

function tooManyEntries(count: number): ConnectorError {
  return new ConnectorError(
    'unsupported_zip',
    `the zip file has ${count} entries; at most ${MAX_ENTRIES} are supported`,
    { hint: 'Write fewer, larger files.' },
  );
}

function encrypted(message: string, cause?: unknown): ConnectorError {
  return new ConnectorError('encrypted_zip', message, {
    hint: 'Write the zip file without a password.',
    cause,
  });
}

function corrupt(what: string, cause?: unknown): ConnectorError {
  return new ConnectorError('corrupt_zip', `the zip file is damaged: ${what}`, {
    hint: 'Upload the file again.',
    cause,
  });
}
