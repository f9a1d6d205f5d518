/** What belongs together on the page, in its order. */
export interface Group {
  title: string;
  intro?: string;
  names: string[];
}

/** What a person does with tables and views; one that is named nowhere comes in a group of its own, at the end. */
export const RELATION_GROUPS: Group[] = [
  {
    title: 'To configure',
    intro: 'Insert, update and delete here; a bad value is refused with a hint.',
    names: ['connectors', 'column_mappings'],
  },
  {
    title: 'To watch',
    intro:
      'Read only. All of them name the connector in `connector_name`, but for `connector_status` (`name`).',
    names: [
      'connector_status',
      'files',
      'file_history',
      'running_files',
      'rejected_rows',
      'polls',
      'throughput',
      'workers',
    ],
  },
  {
    title: 'Answers',
    intro: 'What a worker answered last, by connector; see [To ask a worker](#to-ask-a-worker).',
    names: ['checks', 'preview_files', 'preview_columns', 'late_files'],
  },
];

/** Columns of `connectors` by what they are about; one that is named nowhere comes at the end. */
export const CONNECTOR_GROUPS: Group[] = [
  {
    title: 'Which files',
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
    title: 'Into which table',
    names: [
      'target_table',
      'create_table',
      'allow_unlogged',
      'match_columns_by',
      'on_unknown_column',
      'file_id_column',
    ],
  },
  {
    title: 'How a table is made',
    names: ['time_column', 'hypertable', 'chunk_interval', 'columnstore', 'segment_by', 'order_by'],
  },
  {
    title: 'How a CSV is read',
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
    title: 'What may go wrong, and how far',
    names: ['on_conflict', 'on_bad_row', 'max_bad_rows', 'max_attempts', 'max_file_bytes', 'max_row_bytes'],
  },
  {
    title: 'When, and how many at once',
    names: ['schedule', 'state', 'min_object_age', 'max_tracked_files', 'max_parallel_files', 'retention'],
  },
  { title: 'Set by the database', names: ['owner', 'created_at'] },
];

/** The members of each group, and in a last one, More, those that are in none. */
export function grouped<Member extends { name: string }>(
  members: Member[],
  groups: Group[],
): { title: string; intro: string; members: Member[] }[] {
  const left = new Map(members.map((member) => [member.name, member]));
  const take = (name: string): Member => {
    const member = left.get(name);
    if (!member) throw new Error(`docs/sql_groups.ts names ${name}, which is not there`);
    left.delete(name);
    return member;
  };
  const filled = groups.map(({ title, intro = '', names }) => ({ title, intro, members: names.map(take) }));
  return left.size > 0 ? [...filled, { title: 'More', intro: '', members: [...left.values()] }] : filled;
}
