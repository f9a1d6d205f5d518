/** The connectors of the demo. */
export interface DemoBucket {
  bucket: string;
  endpoint: string;
  auth: 'anonymous' | 'worker';
}

/** Returns the statement that inserts the connectors. */
export function insertStatement({ bucket, endpoint, auth }: DemoBucket): string {
  return `\
insert into s3_connector.connectors (name, bucket, pattern, file_format, target_table, endpoint, auth_method) values
  ('weather',  '${bucket}', 'weather/*',                'csv',     'weather',  '${endpoint}', '${auth}'),
  ('stocks',   '${bucket}', 'stocks/**/*.csv.gz',       'csv',     'stocks',   '${endpoint}', '${auth}'),
  ('flights',  '${bucket}', 'flights/*.parquet',        'parquet', 'flights',  '${endpoint}', '${auth}'),
  ('airports', '${bucket}', 'places/airports.csv',      'csv',     'airports', '${endpoint}', '${auth}'),
  ('zipcodes', '${bucket}', 'places/zipcodes.{csv,zip}', 'csv',    'zipcodes', '${endpoint}', '${auth}')`;
}
