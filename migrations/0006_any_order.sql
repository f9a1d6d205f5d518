-- Settings for keys that arrive behind the marker, for objects that are overwritten, and for access to any S3.

alter table s3_connector.connectors
  add column late_keys text not null default 'report',
  add column on_overwrite text not null default 'report',
  add column audit_schedule text,
  add column stop_when_caught_up boolean not null default false,
  add column requester_pays boolean not null default false,
  add column path_style boolean;
