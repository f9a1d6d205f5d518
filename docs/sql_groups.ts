/** The groups of docs/sql.md: which tables and views, and which columns, belong together. */
export interface Group {
  title: string;
  intro?: string;
  names: string[];
}

/** Tables and views by their use. Those in no group come last. */
export const RELATION_GROUPS: Group[] = [
  {
    title: 'Configure',
    intro: 'Insert, update and delete here. A bad value is refused with a hint.',
    names: ['connectors', 'column_mappings'],
  },
  {
    title: 'Monitor',
    intro:
      'Read only. The name of the connector is in `connector_name`, in `status` and `connector_status` in `name`.',
    names: [
      'status',
      'connector_status',
      'files',
      'file_history',
      'running_files',
      'rejected_rows',
      'polls',
      'audits',
      'open_lineage_events',
      'throughput',
      'workers',
    ],
  },
  {
    title: 'Answers of workers',
    intro: 'The last answer by connector; see [Ask a worker](#ask-a-worker).',
    names: ['checks', 'preview_files', 'preview_columns', 'preview_rows', 'late_files', 'schema_changes'],
  },
];

/** Columns of `connectors` by topic. Those in no group come last. */
export const CONNECTOR_GROUPS: Group[] = [
  {
    title: 'Files',
    names: [
      'name',
      'bucket',
      'pattern',
      'file_format',
      'region',
      'endpoint',
      'auth_method',
      'role_arn',
      'start_after',
    ],
  },
  {
    title: 'Table',
    names: [
      'target_table',
      'create_table',
      'primary_key',
      'allow_unlogged',
      'match_columns_by',
      'on_unknown_column',
      'max_new_columns',
      'on_missing_column',
      'on_type_mismatch',
      'rescue_column',
      'file_id_column',
      'file_key_column',
      'line_column',
    ],
  },
  {
    title: 'Files that change rows',
    names: ['change_column', 'change_values', 'sequence_column'],
  },
  {
    title: 'Created tables',
    names: ['time_column', 'hypertable', 'chunk_interval', 'columnstore', 'segment_by', 'order_by'],
  },
  {
    title: 'CSV',
    names: [
      'csv_skip_header',
      'csv_delimiter',
      'csv_quote',
      'csv_escape',
      'csv_null',
      'csv_encoding',
      'time_zone',
    ],
  },
  {
    title: 'Errors and limits',
    names: [
      'on_conflict',
      'on_bad_row',
      'max_bad_rows',
      'max_attempts',
      'import_timeout',
      'max_file_bytes',
      'max_row_bytes',
      'max_rows',
    ],
  },
  {
    title: 'Schedule and concurrency',
    names: ['schedule', 'state', 'min_object_age', 'max_tracked_files', 'max_parallel_files', 'retention'],
  },
  { title: 'Set by the database', names: ['owner', 'created_at'] },
];

/** Returns the members by group. Members in no group are in a last group, "More". */
export function grouped<Member extends { name: string }>(
  members: Member[],
  groups: Group[],
): { title: string; intro: string; members: Member[] }[] {
  const left = new Map(members.map((member) => [member.name, member]));
  const take = (name: string): Member => {
    const member = left.get(name);
    if (!member) throw new Error(`docs/sql_groups.ts names ${name}, which does not exist`);
    left.delete(name);
    return member;
  };
  const filled = groups.map(({ title, intro = '', names }) => ({ title, intro, members: names.map(take) }));
  return left.size > 0 ? [...filled, { title: 'More', intro: '', members: [...left.values()] }] : filled;
}
