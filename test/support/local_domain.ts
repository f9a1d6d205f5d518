// Loaded into a worker with NODE_OPTIONS: resolves all hosts below s3.test to this machine, for virtual-hosted buckets.
import dns from 'node:dns';

type Lookup = (host: string, ...rest: unknown[]) => void;

const lookup = dns.lookup as Lookup;
(dns as { lookup: Lookup }).lookup = (host, ...rest) =>
  lookup(/(^|\.)s3\.test$/.test(host) ? '127.0.0.1' : host, ...rest);
