/** A file of any format that DuckDB reads as one part. */
import type { SpooledFile } from '../fetch/spooled_file.ts';

export interface DuckdbFile {
  /** The part's name. */
  name: string | null;
  file: SpooledFile;
  /** Null: a Parquet file as it is. */
  transform: Transform | null;
}

/** A connector's own DuckDB select over a file. */
export interface Transform {
  /** The connector's own text. */
  select: string;
  /** The table function that reads the file. */
  file: string;
  /** Whether the file is Parquet, which has a footer to describe it. */
  isParquet: boolean;
}
