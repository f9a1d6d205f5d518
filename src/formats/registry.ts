/** The registry of file formats. A new format needs one line here. */

import type { FileFormatRow } from '../db/schema.ts';
import { csv } from './csv.ts';
import type { FileFormat } from './format.ts';
import { json } from './json.ts';
import { parquet } from './parquet.ts';

/** By `file_formats.kind`. */
export const FORMATS: Record<FileFormatRow['kind'], FileFormat> = { csv, json, parquet };
