import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { COMMANDS } from '../../src/cli/commands.ts';
import { version } from '../../src/version.ts';
import { isKnownSetting, isPinned } from './settings.ts';

// No Docker engine is available here: only what can be checked without one is checked.
const ROOT = new URL('../../', import.meta.url);
const read = (path: string) => readFile(new URL(path, ROOT), 'utf8');
const exists = (path: string) => existsSync(fileURLToPath(new URL(path, ROOT)));

interface Service {
  image: string;
  build?: { context: string; target: string };
  command?: string[];
  environment: Record<string, string>;
  volumes?: string[];
  ports?: string[];
  depends_on?: Record<string, { condition: string }>;
  healthcheck?: { test: string[] };
  read_only?: boolean;
  cap_drop?: string[];
  stop_grace_period?: string;
}

const dockerfile = await read('Dockerfile');
const lines = dockerfile
  .replaceAll(/\\\n\s*/g, ' ')
  .split('\n')
  .filter((line) => line && !line.startsWith('#'));
const compose: { services: Record<string, Service>; volumes: Record<string, unknown> } = parse(
  await read('docker-compose.yml'),
  { merge: true },
);
const { db, s3, worker, console: page, demo } = compose.services as Record<string, Service>;

/** The variables that the last stage sets. */
function imageEnvironment(): Record<string, string> {
  const line = lines.findLast((one) => one.startsWith('ENV '))!;
  return Object.fromEntries([...line.matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name!, value!]));
}

describe('the Dockerfile', () => {
  test('is built in stages, all from one pinned image', () => {
    const stages = lines.filter((line) => line.startsWith('FROM ')).map((line) => line.split(/\s+/));
    const names = stages.map(([, , , name]) => name);
    assert.deepEqual(names, ['build', 'dependencies', 'demo', 'worker']);
    const images = stages.map(([, image]) => image!).filter((image) => !names.includes(image));
    assert.equal(new Set(images).size, 1);
    assert.ok(isPinned(images[0]!), images[0]);
  });

  test('copies only files that exist, and uses a Node version that package.json allows', async () => {
    const copied = lines
      .filter((line) => /^COPY (?!--from)/.test(line))
      .flatMap((line) => line.split(/\s+/).slice(1, -1));
    assert.ok(copied.length >= 3);
    for (const path of copied) assert.ok(exists(path), path);
    const { bin, devDependencies } = JSON.parse(await read('package.json'));
    assert.ok(
      dockerfile.includes(`FROM node:${devDependencies.node.slice(1)}-`),
      'the Node that tests run on',
    );
    assert.match(dockerfile, new RegExp(`ENTRYPOINT \\["node", "${bin['pg-s3-connector']}"\\]`));
    assert.ok(exists('demo/deployed.ts'));
    const ignored = (await read('.dockerignore')).split('\n').filter(Boolean);
    for (const path of ['src', 'tasks', 'sql', 'migrations', 'demo', 'crontab'])
      assert.ok(!ignored.includes(path), path);
    for (const path of ['.env', '.git', 'node_modules']) assert.ok(ignored.includes(path), path);
  });

  test('runs an existing command as an unprivileged user, with known settings', () => {
    assert.match(lines.findLast((line) => line.startsWith('USER '))!, /^USER 1000:1000$/);
    const command = /^CMD \["(\w+)"\]$/.exec(lines.at(-1)!)?.[1];
    assert.ok(COMMANDS.some(({ name }) => name === command));
    const { NODE_ENV, ...settings } = imageEnvironment();
    assert.equal(NODE_ENV, 'production');
    for (const name of Object.keys(settings)) assert.ok(isKnownSetting(name), name);
    assert.ok(lines.includes(`VOLUME ${settings.SPOOL_DIR}`));
    assert.ok(lines.includes(`EXPOSE ${settings.METRICS_PORT}`));
  });
});

describe('docker-compose.yml', () => {
  test('pins every image, and builds its own from existing stages', () => {
    for (const [name, { image, build }] of Object.entries(compose.services)) {
      assert.ok(isPinned(image), `${name}: ${image}`);
      if (!build) continue;
      assert.ok(image.endsWith(`:${version}`), image);
      assert.ok(dockerfile.includes(` AS ${build.target}\n`), build.target);
    }
    assert.match(dockerfile, new RegExp(`pg-s3-connector:${version} `));
  });

  test('mounts files that exist, and publishes ports on this machine only', async () => {
    for (const [name, { volumes = [], ports = [] }] of Object.entries(compose.services)) {
      for (const volume of volumes) {
        const [source] = volume.split(':');
        if (source!.startsWith('./')) assert.ok(exists(source!), `${name}: ${source}`);
        else assert.ok(source!.startsWith('/') || source! in compose.volumes, `${name}: ${source}`);
      }
      for (const port of ports) assert.match(port, /^127\.0\.0\.1:/, name);
    }
    const script = await stat(fileURLToPath(new URL('deploy/compose/roles.sh', ROOT)));
    assert.ok(script.mode & 0o100, 'roles.sh can be executed');
  });

  test('gives our services settings that they know, and each health check a served port', async () => {
    for (const { environment, command = ['start'] } of [worker!, page!]) {
      assert.ok(COMMANDS.some(({ name }) => name === command[0]));
      for (const name of Object.keys(environment)) assert.ok(isKnownSetting(name), name);
    }
    const demoReads = [...(await read('demo/deployed.ts')).matchAll(/need\('(\w+)'\)/g)].map(
      ([, name]) => name!,
    );
    for (const name of demoReads) assert.ok(name in demo!.environment, name);
    assert.ok(worker!.healthcheck!.test[3]!.includes(`:${imageEnvironment().METRICS_PORT}/healthz`));
    assert.ok(page!.healthcheck!.test[3]!.includes(`:${page!.environment.CONSOLE_PORT}/`));
    assert.ok(page!.ports![0]!.endsWith(`:${page!.environment.CONSOLE_PORT}`));
    const preset = /-([^}]*)\}/.exec(page!.environment.CONSOLE_TOKEN!)![1]!;
    assert.ok(preset.length >= 16, 'as long as the console wants it');
  });

  test('starts services after their dependencies are healthy, and everything but the demo has a health check', () => {
    for (const [name, service] of Object.entries(compose.services)) {
      if (name !== 'demo') assert.ok(service.healthcheck, name);
      for (const [other, { condition }] of Object.entries(service.depends_on ?? {})) {
        assert.ok(compose.services[other]?.healthcheck, `${name} on ${other}`);
        assert.equal(condition, 'service_healthy');
      }
    }
  });

  test('runs our services without capabilities, on a read-only disk except the spool, and with time to stop', () => {
    for (const service of [worker!, page!, demo!]) {
      assert.equal(service.read_only, true);
      assert.deepEqual(service.cap_drop, ['ALL']);
    }
    assert.deepEqual(worker!.volumes, [imageEnvironment().SPOOL_DIR]);
    assert.ok(Number.parseInt(worker!.stop_grace_period!, 10) > 30);
  });

  test('gives the worker and the demo the keys, the bucket and the address of its S3 server', async () => {
    const { environment } = s3!;
    assert.equal(demo!.environment.DEMO_BUCKET, environment.GARAGE_DEFAULT_BUCKET);
    const toml = await read('deploy/compose/garage.toml');
    for (const service of [worker!, demo!]) {
      assert.equal(service.environment.AWS_ACCESS_KEY_ID, environment.GARAGE_DEFAULT_ACCESS_KEY);
      assert.equal(service.environment.AWS_SECRET_ACCESS_KEY, environment.GARAGE_DEFAULT_SECRET_KEY);
      assert.match(toml, new RegExp(`s3_region = "${service.environment.AWS_REGION}"`));
    }
    assert.equal(worker!.environment.S3_ALLOWED_ENDPOINTS, demo!.environment.DEMO_ENDPOINT);
    assert.match(toml, /api_bind_addr = "\[::\]:3900"/);
    assert.equal(demo!.environment.DEMO_ENDPOINT, 'http://s3:3900');
    // A password is the same where it is set and where it is used.
    for (const [service, variable] of [
      [worker!, 'WORKER_PASSWORD'],
      [page!, 'APP_PASSWORD'],
      [demo!, 'APP_PASSWORD'],
    ] as const)
      assert.ok(
        service.environment.DATABASE_URL!.includes(`:${db!.environment[variable]}@db:5432/demo`),
        variable,
      );
  });
});
