/**
 * `npm run release -- [directory]`: makes the files of a release and publishes nothing. They are the npm package, its "SBOM"
 * (the list of all packages that come with it, as CycloneDX) and the SHA-256 sums of both.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));

export interface Release {
  /** File names in the directory. */
  tarball: string;
  sbom: string;
  /** The paths in the package. */
  files: string[];
}

/** Makes the files of a release in the directory. */
export async function makeRelease(directory: string): Promise<Release> {
  await mkdir(directory, { recursive: true });
  const packed = await pack(directory);
  const sbom = packed.tarball.replace(/\.tgz$/, '.cdx.json');
  await writeFile(join(directory, sbom), await listPackages());
  await writeFile(join(directory, 'SHA256SUMS'), await sums(directory, [packed.tarball, sbom]));
  return { ...packed, sbom };
}

/** Packs the project. npm builds it first. */
async function pack(directory: string): Promise<{ tarball: string; files: string[] }> {
  const stdout = await npm('pack', '--json', '--pack-destination', directory);
  // Before the JSON is what the build prints.
  const [packed] = JSON.parse(stdout.slice(stdout.indexOf('[\n'))) as {
    filename: string;
    files: { path: string }[];
  }[];
  return { tarball: packed!.filename, files: packed!.files.map(({ path }) => path) };
}

/** The parts of an SBOM that are changed. */
interface Sbom {
  metadata: { component: { name: string; purl: string } };
  components: { 'bom-ref': string; properties: { name: string }[] }[];
  dependencies: { ref: string; dependsOn: string[] }[];
}

/** Returns the SBOM. From the lock file, so that it has the native code of every platform, with hashes. */
async function listPackages(): Promise<string> {
  // Not --omit=dev: npm 11 then leaves out pg too, which a development dependency needs as well.
  const sbom: Sbom = JSON.parse(await npm('sbom', '--sbom-format=cyclonedx', '--package-lock-only'));
  const isForDevelopment = ({ properties }: Sbom['components'][number]) =>
    properties.some(({ name }) => name === 'cdx:npm:package:development');
  const removed = new Set(sbom.components.filter(isForDevelopment).map((component) => component['bom-ref']));
  sbom.components = sbom.components.filter((component) => !removed.has(component['bom-ref']));
  sbom.dependencies = sbom.dependencies
    .filter(({ ref }) => !removed.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((other) => !removed.has(other)) }));
  // npm gives the name of the directory.
  const { component } = sbom.metadata;
  component.name = component.purl.replace(/^pkg:npm\/|@.*$/g, '');
  return `${JSON.stringify(sbom, undefined, 2)}\n`;
}

/** Returns the sums as `sha256sum --check` reads them. */
async function sums(directory: string, files: string[]): Promise<string> {
  const lines = files.map(async (file) => {
    const content = await readFile(join(directory, file));
    return `${createHash('sha256').update(content).digest('hex')}  ${file}\n`;
  });
  return (await Promise.all(lines)).join('');
}

async function npm(...args: string[]): Promise<string> {
  const { stdout } = await run('npm', args, { cwd: ROOT, maxBuffer: 64 << 20 });
  return stdout;
}

if (import.meta.main) {
  const directory = resolve(process.argv[2] ?? 'release');
  const { tarball, sbom } = await makeRelease(directory);
  for (const file of [tarball, sbom, 'SHA256SUMS']) console.log(join(directory, file));
}
