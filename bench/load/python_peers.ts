/** Loaders of Python: DuckDB with its postgres extension, pgpq and ADBC. BENCH_PYTHON names the Python that has them. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Cost, Meter } from '../measure/meter.ts';
import { type Job, type Loader, plainTable, TABLE } from './loader.ts';
import { cleanEnv, ended } from './programs.ts';

const SCRIPT = fileURLToPath(new URL('python_peers.py', import.meta.url));

interface Peer {
  /** The name of this way in python_peers.py. */
  way: string;
  name: string;
  format: 'csv' | 'parquet';
  /** The modules that it needs, and the names of their packages. */
  modules: Record<string, string>;
}

const DUCKDB = { duckdb: 'duckdb', duckdb_extension_postgres_scanner: 'duckdb-extension-postgres-scanner' };
const PEERS: Peer[] = [
  { way: 'duckdb_csv', name: 'DuckDB, CSV', format: 'csv', modules: DUCKDB },
  { way: 'duckdb_parquet', name: 'DuckDB, Parquet', format: 'parquet', modules: DUCKDB },
  {
    way: 'pgpq',
    name: 'pgpq, Parquet',
    format: 'parquet',
    modules: { pgpq: 'pgpq', pyarrow: 'pyarrow', psycopg: 'psycopg[binary]' },
  },
  {
    way: 'adbc',
    name: 'ADBC, Parquet',
    format: 'parquet',
    modules: { adbc_driver_postgresql: 'adbc-driver-postgresql', pyarrow: 'pyarrow' },
  },
];

/** Returns a loader for each library that BENCH_PYTHON has. */
export function pythonPeers(makeTable = plainTable): Loader[] {
  return PEERS.filter((peer) => missingPackages(peer)?.length === 0).map((peer) => ({
    name: peer.name,
    format: peer.format,
    makeTable,
    load: (job) => runPeer(job, peer),
  }));
}

/** Returns a line for each library that is missing. */
export function missingPeers(): string[] {
  if (!process.env.BENCH_PYTHON)
    return ['BENCH_PYTHON names no Python: DuckDB, pgpq and ADBC are not measured.'];
  return PEERS.flatMap((peer) => {
    const missing = missingPackages(peer);
    if (!missing) return `${peer.name}: ${process.env.BENCH_PYTHON} does not run: not measured.`;
    return missing.length > 0 ? `${peer.name}: not measured; pip install ${missing.join(' ')}` : [];
  });
}

/** Returns the packages of a peer that BENCH_PYTHON lacks, or undefined if it does not run. */
function missingPackages({ modules }: Peer): string[] | undefined {
  const python = process.env.BENCH_PYTHON;
  const code =
    'import sys; from importlib.util import find_spec; print(*[m for m in sys.argv[1:] if not find_spec(m)])';
  if (!python) return undefined;
  const { status, stdout } = spawnSync(python, ['-c', code, ...Object.keys(modules)], { encoding: 'utf8' });
  if (status !== 0) return undefined;
  return stdout
    .split(/\s+/)
    .filter(Boolean)
    .map((module) => modules[module]!);
}

/** Runs a peer. Imports and connecting are not measured, because our worker is already running too. */
async function runPeer({ testbed, data }: Job, { way, name, format }: Peer): Promise<Cost> {
  const args = [SCRIPT, way, testbed.postgres.url(), TABLE, data[format]];
  const child = spawn(process.env.BENCH_PYTHON!, args, { env: cleanEnv(), stdio: 'pipe' });
  const end = ended(child, name);
  await Promise.race([once(child.stdout, 'data'), end]);
  const meter = new Meter(testbed.postgres.pid);
  meter.follow(child.pid!);
  child.stdin.end('go\n');
  await end;
  return meter.stop();
}
