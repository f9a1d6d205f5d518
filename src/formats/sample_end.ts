/** "Sample end": the end of the part of a file that was fetched. Nothing is wrong with the file. */

/** A reader of a sampled file needs bytes beyond those that were fetched. */
export class SampleEnd extends Error {
  constructor(bytes: number, sizeBytes: number) {
    super(`it cannot be read from ${bytes} of its ${sizeBytes} bytes`);
  }
}
