/** The registry of file formats. */
import { csv } from './csv.ts';
import type { FileFormat } from './format.ts';
import { parquet } from './parquet.ts';

/** By `connectors.file_format`. */
export const FORMATS: Record<'csv' | 'parquet', FileFormat> = { csv, parquet };
