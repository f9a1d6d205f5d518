/** The options of a JSON file. */
export interface JsonOptions {
  /** The path of the records within an object, of keys only; null: they are found by content. */
  json_records: string | null;
  /** The source columns of column_mappings that are paths. */
  json_paths: string[];
}
