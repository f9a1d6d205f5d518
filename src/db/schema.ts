/** The types of the tables that the program queries. */
import type { ColumnType, Generated, Selectable } from 'kysely';
import type { CsvOptions } from '../formats/csv/options.ts';
import type { DateFormat } from '../formats/date_formats.ts';
import type { JsonOptions } from '../formats/json/options.ts';
import type { Ending } from '../sources/source.ts';

/** A timestamptz. It is read as Date, and written as Date or text. */
type Timestamp = ColumnType<Date, Date | string, Date | string>;

/** All statuses of a file. Those of files that are not done come first. */
export const FILE_STATUSES = [
  'in_queue',
  'running',
  'pending_retry',
  'paused',
  'success',
  'failure',
  'cancelled',
  'undone',
] as const;

export type FileStatus = (typeof FILE_STATUSES)[number];

/** `s3_connector.connectors`; the columns are explained in sql/5_comments/tables.sql. */
export interface ConnectorsTable {
  name: string;
  bucket: string;
  pattern: string;
  file_format: string;
  target_table: string;
  region: string | null;
  endpoint: string | null;
  auth_method: Generated<'worker' | 'anonymous' | 'iam_role'>;
  role_arn: string | null;
  schedule: Generated<string>;
  csv_delimiter: string | null;
  csv_quote: string | null;
  csv_escape: string | null;
  csv_null: string | null;
  csv_encoding: string | null;
  csv_skip_header: boolean | null;
  time_zone: Generated<string>;
  match_columns_by: Generated<'name' | 'position'>;
  on_unknown_column: Generated<'fail' | 'ignore' | 'add' | 'rescue'>;
  max_new_columns: Generated<number>;
  on_type_mismatch: Generated<'fail' | 'widen' | 'rescue'>;
  rescue_column: string | null;
  on_missing_column: Generated<'default' | 'fail'>;
  create_table: Generated<boolean>;
  primary_key: string[] | null;
  allow_unlogged: Generated<boolean>;
  time_column: string | null;
  hypertable: boolean | null;
  chunk_interval: Generated<string>;
  columnstore: Generated<boolean>;
  segment_by: string[] | null;
  order_by: string[] | null;
  on_conflict: Generated<'fail' | 'skip' | 'update'>;
  on_bad_row: Generated<'fail' | 'skip'>;
  max_bad_rows: Generated<number | null>;
  file_id_column: string | null;
  file_key_column: string | null;
  line_column: string | null;
  max_file_bytes: Generated<number>;
  max_row_bytes: Generated<number>;
  max_rows: number | null;
  max_tracked_files: Generated<number>;
  max_parallel_files: number | null;
  max_attempts: Generated<number>;
  import_timeout: Generated<string>;
  min_object_age: Generated<string>;
  start_after: string | null;
  retention: string | null;
  notify: Generated<boolean>;
  on_import: string | null;
  hive_columns: string[] | null;
  transform: string | null;
  change_column: string | null;
  change_values: string | null;
  sequence_column: string | null;
  event_queue_url: string | null;
  late_keys: Generated<'report' | 'import'>;
  on_overwrite: Generated<'ignore' | 'report' | 'reimport'>;
  audit_schedule: string | null;
  stop_when_caught_up: Generated<boolean>;
  requester_pays: Generated<boolean>;
  path_style: boolean | null;
  exclude: string[] | null;
  include_hidden: Generated<boolean>;
  state: Generated<'running' | 'paused' | 'draft'>;
  owner: Generated<string>;
  created_at: Generated<Timestamp>;
}

/** A row of `s3_connector.file_formats`. */
export interface FileFormatRow extends CsvOptions, JsonOptions {
  name: string;
  kind: 'csv' | 'json' | 'parquet';
}

export interface ColumnMappingsTable {
  connector_name: string;
  id: Generated<number>;
  source_column: string | null;
  target_column: string | null;
  data_type: string | null;
  date_format: DateFormat | null;
  expression: string | null;
}

export interface FilesTable {
  id: Generated<number>;
  connector_name: string;
  key: string;
  etag: string;
  size_bytes: number;
  last_modified: Timestamp;
  status: Generated<FileStatus>;
  attempts: Generated<number>;
  rows_read: number | null;
  rows_imported: number | null;
  rows_rejected: number | null;
  rows_skipped: number | null;
  rows_inserted: number | null;
  rows_updated: number | null;
  rows_deleted: number | null;
  error_code: string | null;
  error_message: string | null;
  worker_id: number | null;
  attempt_id: number | null;
  replaces: string[] | null;
}

export interface ProgressTable {
  connector_name: string;
  marker: string | null;
  scan_position: string | null;
  look_behind: string | null;
  end_position: string | null;
  tail_position: string | null;
  arrives_at_end: Generated<boolean>;
  tail_walked_at: Timestamp | null;
  ending: Ending | null;
  ended_at: Timestamp | null;
  backlog: Generated<boolean>;
  last_poll_at: Timestamp | null;
  next_poll_at: Generated<Timestamp>;
  poll_asked_at: Timestamp | null;
  notice: string | null;
  copy_notice: string | null;
}

export interface Database {
  's3_connector.connectors': ConnectorsTable;
  's3_connector.column_mappings': ColumnMappingsTable;
  's3_connector.files': FilesTable;
  's3_connector_private.progress': ProgressTable;
}

export type Connector = Selectable<ConnectorsTable>;
/** A connector whose files are read: with its file format, in which the connector's csv_* columns have replaced the format's own, and its change_values as a map. */
export type ReadConnector = Connector & { format: FileFormatRow; change_map: ChangeMap | null };
/** What the values of change_column mean. */
export type ChangeMap = Record<string, 'insert' | 'update' | 'delete' | 'ignore' | 'truncate'>;
export type ColumnMapping = Selectable<ColumnMappingsTable>;
export type File = Selectable<FilesTable>;
export type Progress = Selectable<ProgressTable>;
