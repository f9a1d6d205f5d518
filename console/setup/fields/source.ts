/** The fields about the bucket, and how workers get into it. */
import type { Setting } from '../settings.ts';

export const NAME: Setting = {
  column: 'name',
  label: 'Name',
  help: 'What you call the connector, here and in SQL.',
  placeholder: 'sensors',
  isRequired: true,
};

export const BUCKET: Setting = {
  column: 'bucket',
  label: 'Bucket',
  help: "The bucket's name, without s3://. Or the ARN or alias of an access point.",
  placeholder: 'acme-telemetry',
  isRequired: true,
};

export const PATTERN: Setting = {
  column: 'pattern',
  label: 'Pattern',
  help: 'Which keys to import. data/*.csv: that folder. data/**/*.csv: also the folders below. {a,b}: one of both. Only the part before the first * is listed, so a role that is limited to it is enough.',
  placeholder: 'sensors/**/*.csv',
  isRequired: true,
  isWide: true,
};

export const AUTH_METHOD: Setting = {
  column: 'auth_method',
  label: 'Credentials',
  help: 'The database stores no secrets. Workers have their credentials in their own environment.',
  options: [
    ['worker', "the worker's own"],
    ['anonymous', 'none (a public bucket)'],
    ['iam_role', 'an IAM role'],
  ],
};

export const ROLE_ARN: Setting = {
  column: 'role_arn',
  label: 'ARN of the role',
  help: 'The role that has the two policies.',
  placeholder: 'arn:aws:iam::123456789012:role/reader',
  isWide: true,
  when: ({ value }) => value('auth_method') === 'iam_role',
};

export const SERVER: Setting[] = [
  {
    column: 'endpoint',
    label: 'Endpoint',
    help: "Only for a server other than AWS: its URL. The worker's S3_ALLOWED_ENDPOINTS must contain it.",
    placeholder: 'AWS',
  },
  {
    column: 'region',
    label: 'Region',
    help: 'Leave it empty: the worker asks S3.',
    placeholder: 'found out by the worker',
  },
  {
    column: 'path_style',
    label: 'Where requests name the bucket',
    help: 'Some servers other than AWS have no host name for each bucket.',
    options: [
      ['', 'the worker finds out'],
      ['true', 'in the path'],
      ['false', 'in the host name'],
    ],
  },
  {
    column: 'requester_pays',
    label: 'Pay for the requests',
    help: 'A bucket with Requester Pays answers only those who agree to pay.',
    kind: 'checkbox',
  },
];
