-- The history of files as events of OpenLineage (https://openlineage.io/spec/2-0-2/OpenLineage.json), for a data catalog. A
-- "run" is an attempt at a file, its job is the connector, its input the object, its output the table.

create or replace view s3_connector.open_lineage_events as
  select
    h.id, f.connector_name, f.key, h.at as event_time, e.event_type, r.run_id,
    jsonb_build_object(
      'schemaURL', 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent',
      'producer', 'urn:pg-s3-connector',
      'eventType', e.event_type,
      'eventTime', to_char(h.at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
      'run', jsonb_build_object('runId', r.run_id, 'facets', case
        when e.event_type in ('FAIL', 'ABORT') and h.message is not null then jsonb_build_object('errorMessage', jsonb_build_object(
          '_producer', 'urn:pg-s3-connector',
          '_schemaURL', 'https://openlineage.io/spec/facets/1-0-0/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet',
          'message', h.message, 'programmingLanguage', 'TypeScript'))
        else '{}' end),
      'job', jsonb_build_object('namespace', n.namespace || '/' || current_database(), 'name', f.connector_name, 'facets',
        jsonb_build_object('jobType', jsonb_build_object(
          '_producer', 'urn:pg-s3-connector',
          '_schemaURL', 'https://openlineage.io/spec/facets/2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet',
          'processingType', 'BATCH', 'integration', 'PG_S3_CONNECTOR', 'jobType', 'IMPORT'))),
      'inputs', jsonb_build_array(jsonb_build_object('namespace', 's3://' || c.bucket, 'name', f.key, 'inputFacets', case
        when e.counted then jsonb_build_object('inputStatistics', jsonb_build_object(
          '_producer', 'urn:pg-s3-connector',
          '_schemaURL', 'https://openlineage.io/spec/facets/1-0-0/InputStatisticsInputDatasetFacet.json#/$defs/InputStatisticsInputDatasetFacet',
          'rowCount', f.rows_read, 'size', f.size_bytes, 'fileCount', 1))
        else '{}' end)),
      'outputs', jsonb_build_array(jsonb_build_object(
        'namespace', n.namespace,
        'name', concat_ws('.', current_database(), case cardinality(t.parts) when 1 then 'public' end, t.parts[1], t.parts[2]),
        'outputFacets', case
          when e.counted then jsonb_build_object('outputStatistics', jsonb_build_object(
            '_producer', 'urn:pg-s3-connector',
            '_schemaURL', 'https://openlineage.io/spec/facets/1-0-2/OutputStatisticsOutputDatasetFacet.json#/$defs/OutputStatisticsOutputDatasetFacet',
            'rowCount', f.rows_imported))
          else '{}' end))
    ) as event
  from s3_connector_private.file_history h
  join s3_connector.files f on f.id = h.file_id
  join s3_connector.connectors c on c.name = f.connector_name
  cross join lateral (
    select
      case
        when h.to_status = 'running' then 'START'
        when h.to_status = 'success' then 'COMPLETE'
        when h.to_status in ('failure', 'pending_retry') or (h.to_status = 'paused' and h.message is not null) then 'FAIL'
        else 'ABORT'
      end as event_type,
      -- Later attempts overwrite the counts.
      h.to_status = 'success' and h.at = f.status_since as counted
  ) e
  -- The change that began the attempt: the one before its end.
  cross join lateral (
    select b.id from s3_connector_private.file_history b
    where b.file_id = h.file_id and b.id <= h.id and b.to_status = 'running' order by b.id desc limit 1
  ) begun
  cross join lateral (select parse_ident(c.target_table) as parts) t
  cross join lateral (
    select coalesce(
      nullif(current_setting('s3_connector.open_lineage_namespace', true), ''),
      format('postgres://%s:%s', coalesce(host(inet_server_addr()), 'localhost'), current_setting('port'))
    ) as namespace
  ) n
  cross join lateral (
    -- Each database numbers its ids from 1.
    select md5(concat_ws('/', current_database(), extract(epoch from c.created_at), f.id, begun.id)) as digest
  ) d
  -- The version and variant of a UUID that is made from a digest (RFC 9562, version 8).
  cross join lateral (select overlay(overlay(d.digest placing '8' from 13) placing '8' from 17)::uuid as run_id) r
  where h.to_status = 'running' or h.from_status = 'running';
comment on view s3_connector.open_lineage_events is
  'The attempts at files as events of OpenLineage, for a data catalog: START, and COMPLETE, FAIL or ABORT. Send event to the catalog as it is.';
comment on column s3_connector.open_lineage_events.id is 'Number of the event, for reading on from the last one. Events of transactions that ran at the same time can appear in another order: read the last minutes again, the catalog knows an event by its run_id and event_type.';
comment on column s3_connector.open_lineage_events.connector_name is 'The connector: the job.';
comment on column s3_connector.open_lineage_events.key is 'The file''s key: the input.';
comment on column s3_connector.open_lineage_events.event_time is 'When the attempt began or ended.';
comment on column s3_connector.open_lineage_events.event_type is 'START; COMPLETE: the file was imported; FAIL: an error; ABORT: the attempt was cancelled or its worker ended, or the bucket was unavailable.';
comment on column s3_connector.open_lineage_events.run_id is 'The attempt: the same in its START and in its end.';
comment on column s3_connector.open_lineage_events.event is 'The RunEvent. The last COMPLETE of a file has the numbers of rows and bytes. The namespace of the database is s3_connector.open_lineage_namespace, if that is set (alter database ... set), or else postgres://, the address of the server as this session sees it, and its port.';
