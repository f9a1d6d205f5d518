/** `doctor --bucket`: tries whether a person's S3-compatible server is fit for the connector. */
import { ListObjectsV2Command, S3Client } from '@aws-sdk/client-s3';
import { readSourceConfig, type SourceConfig } from '../config.ts';
import { Trial } from '../conformance/trial.ts';
import { type Result, tryCases, type Verdict, verdictOn } from '../conformance/verdict.ts';
import { ConnectorError, describeError } from '../errors.ts';
import { handlerConfig } from '../sources/http_agents.ts';
import { workerRegion } from '../sources/region.ts';
import { S3Sources } from '../sources/s3.ts';
import { workerCredentials } from '../sources/s3_credentials.ts';
import { regionOf } from '../sources/s3_errors.ts';
import type { Options } from './options.ts';

/** More than the requests that a case sends at the same time. */
const MAX_SOCKETS = 32;
/** The status of a process that Ctrl-C ends. */
const INTERRUPTED = 130;

interface Server {
  bucket: string;
  endpoint: string | null;
  region: string | null;
  prefix: string;
  pathStyle: boolean | null;
}

/**
 * Prints the result of each case, and the verdict. The exit status is 1 for an unfit server.
 * @throws ConnectorError `bad_option`, and the errors of the first request
 */
export async function tryServer(options: Options): Promise<void> {
  const server = readServer(options);
  const config = readSourceConfig();
  const interrupted = new AbortController();
  const interrupt = () => interrupted.abort();
  // Only the first one: a second Ctrl-C ends the process at once.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt);
  try {
    const { isFit, text } = await tryOn(server, config, interrupted.signal);
    print(`\n${text}\n${remark(server, config)}`);
    process.exitCode = isFit ? 0 : 1;
  } catch (error) {
    if (!interrupted.signal.aborted) throw error;
    print('\nInterrupted.\n');
    process.exitCode = INTERRUPTED;
  }
}

async function tryOn(server: Server, config: SourceConfig, signal: AbortSignal): Promise<Verdict> {
  const { bucket, prefix, endpoint, region, pathStyle } = server;
  const sources = new S3Sources({
    ...config,
    allowedEndpoints: endpoint === null ? [] : [new URL(endpoint).origin],
  });
  const source = sources.open({
    name: 'doctor',
    bucket,
    region,
    endpoint,
    auth_method: 'worker',
    role_arn: null,
    ...(pathStyle === null ? {} : { path_style: pathStyle }),
  });
  let client = makeClient(server, config);
  try {
    // Fails with the connector's own words if the bucket cannot be read at all.
    await source.probe({ prefix, delimiter: undefined, signal });
    const found = region ?? (await findRegion(client, bucket));
    client.destroy();
    client = makeClient({ ...server, region: found }, config);
    const trial = new Trial({
      client,
      source,
      bucket,
      prefix,
      signal,
      clientWith: async ({ secretAccessKey, region: other }) => {
        const { accessKeyId, sessionToken, ...own } = await client.config.credentials();
        return makeClient({ ...server, region: other ?? found }, config, {
          accessKeyId,
          secretAccessKey: secretAccessKey ?? own.secretAccessKey,
          ...(sessionToken === undefined ? {} : { sessionToken }),
        });
      },
    });
    return await runTrial(trial);
  } finally {
    client.destroy();
    sources.close();
  }
}

async function runTrial(trial: Trial): Promise<Verdict> {
  print(`Writing below ${trial.folder} in bucket ${trial.options.bucket}\n\n`);
  const results: Result[] = [];
  try {
    // If nothing can be written, there is no verdict.
    await trial.put('written').catch((error) => {
      throw cannotWrite(trial, error);
    });
    for await (const result of tryCases(trial)) {
      results.push(result);
      print(toText(result));
    }
  } finally {
    const left = await trial.clean();
    if (left.length > 0) print(`${left.length} objects could not be deleted, for example ${left[0]}\n`);
  }
  return verdictOn(results);
}

/** Returns the region that the server names if it refuses the default one; null if it does not. */
async function findRegion(client: S3Client, bucket: string): Promise<string | null> {
  try {
    await client.send(new ListObjectsV2Command({ Bucket: bucket, MaxKeys: 1 }));
    return null;
  } catch (error) {
    return regionOf(error) ?? null;
  }
}

/** @param credentials those of the environment if undefined */
function makeClient(
  { endpoint, region, pathStyle }: Server,
  { proxyEnv, timeouts }: SourceConfig,
  credentials?: { accessKeyId: string; secretAccessKey: string; sessionToken?: string },
): S3Client {
  const requestHandler = handlerConfig(proxyEnv, { maxSockets: MAX_SOCKETS, ...timeouts });
  return new S3Client({
    ...(endpoint === null ? {} : { endpoint }),
    region: region ?? workerRegion,
    forcePathStyle: pathStyle ?? endpoint !== null,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    credentials: credentials ?? workerCredentials(requestHandler),
    requestHandler,
  });
}

const WORDS = { required: 'failed', wanted: 'note' };

function toText({ case: { name, reliedOn, level, otherwise }, deviation }: Result): string {
  if (deviation === null) return `ok      ${name}\n`;
  return `${WORDS[level].padEnd(8)}${name}\n        ${deviation}\n        For ${reliedOn}. ${otherwise}\n`;
}

/** Returns what connectors need to use the server. */
function remark({ endpoint }: Server, { allowedEndpoints }: SourceConfig): string {
  if (endpoint === null) return '';
  const { origin } = new URL(endpoint);
  if (allowedEndpoints.includes(origin)) return '';
  return `Connectors may use it once the worker's S3_ALLOWED_ENDPOINTS has ${origin}\n`;
}

function cannotWrite({ folder, options: { bucket, signal } }: Trial, error: unknown): unknown {
  if (signal.aborted) return error;
  return new ConnectorError(
    'cannot_write',
    `nothing can be written below ${folder} in bucket ${bucket}: ${describeError(error)}`,
    {
      hint: 'doctor writes and deletes objects, which the connector never does. Give it credentials with s3:PutObject and s3:DeleteObject below --prefix.',
      cause: error,
    },
  );
}

function readServer(options: Options): Server {
  const { bucket, endpoint = null, region = null, prefix = '', 'path-style': pathStyle } = options;
  if (!bucket) throw badOption('bucket', 'the name of a bucket', bucket);
  if (endpoint !== null && (!URL.canParse(endpoint) || !/^https?:$/.test(new URL(endpoint).protocol)))
    throw badOption('endpoint', 'a URL with http or https', endpoint);
  if (pathStyle !== undefined && pathStyle !== 'true' && pathStyle !== 'false')
    throw badOption('path-style', 'true or false', pathStyle);
  return {
    bucket,
    endpoint,
    region,
    prefix,
    pathStyle: pathStyle === undefined ? null : pathStyle === 'true',
  };
}

function badOption(name: string, expected: string, given: string | undefined): ConnectorError {
  const what = given === undefined ? 'it is missing' : `it is ${JSON.stringify(given)}`;
  return new ConnectorError('bad_option', `--${name} must be ${expected}; ${what}`, {
    hint: `Run pg-s3-connector doctor --help to see the options.`,
  });
}

function print(text: string): void {
  process.stdout.write(text);
}
