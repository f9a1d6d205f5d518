/** The registry of file formats. A new format needs one line here. */
import { csv } from './csv.ts';
import type { FileFormat } from './format.ts';
import { parquet } from './parquet.ts';

/** By `connectors.file_format`. */
export const FORMATS: Record<'csv' | 'parquet', FileFormat> = { csv, parquet };
