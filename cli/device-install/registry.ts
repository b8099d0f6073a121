/**
 * @file Finds the package that holds onnxruntime's CUDA provider: in a NuGet feed (server API 3), or as a wheel in an
 * index of Python packages (PEP 691).
 * API: https://learn.microsoft.com/nuget/api/overview, https://peps.python.org/pep-0691/
 */
import * as v from 'valibot';
import type { RemoteFile } from '../../core/download.ts';
import { readEnvironment, type Environment } from '../../core/environment.ts';
import { KronaError } from '../../core/errors.ts';

/** Addresses of the two sources. */
export interface Registries {
  /** KRONA_NUGET_INDEX: a feed's service index. */
  readonly nuget: URL;
  /** PIP_INDEX_URL, as pip reads it, and with a name and a password as it takes them. */
  readonly pypi: URL;
}

const NUGET = 'https://api.nuget.org/v3/index.json';
const PYPI = 'https://pypi.org/simple';

/** A connection without data for this long is closed, ms. */
const STALL_MS = 60_000;
/** Bytes of an answer that describes packages: PyPI's about onnxruntime-gpu has 200 kB. */
const MOST_ANSWERED = 16 * 2 ** 20;

type Name = 'KRONA_NUGET_INDEX' | 'PIP_INDEX_URL';

/** @throws KronaError KRONA_NUGET_INDEX_INVALID, PIP_INDEX_URL_INVALID; no message repeats a value */
export function registries(env: Environment = readEnvironment()): Registries {
  return {
    nuget: address(env, 'KRONA_NUGET_INDEX', NUGET),
    pypi: address(env, 'PIP_INDEX_URL', PYPI),
  };
}

function address(env: Environment, name: Name, usual: string): URL {
  const value = env[name] ?? usual;
  if (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)) return new URL(value);
  throw new KronaError(`${name}_INVALID`, `${name} must be an address such as ${usual}.`);
}

const Size = v.pipe(v.number(), v.safeInteger(), v.minValue(1));

const ServiceIndex = v.object({ resources: v.array(v.object({ '@id': v.string(), '@type': v.string() })) });
const RegistrationLeaf = v.object({ packageContent: v.string(), catalogEntry: v.string() });
const CatalogEntry = v.object({
  packageHash: v.pipe(v.string(), v.base64()),
  packageHashAlgorithm: v.literal('SHA512'),
  packageSize: Size,
});
const Project = v.object({ files: v.array(v.looseObject({ filename: v.string() })) });
const Wheel = v.object({
  url: v.string(),
  size: Size,
  hashes: v.object({ sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/)) }),
});

/**
 * The NuGet package for Linux.
 *
 * @param version - of onnxruntime
 * @throws KronaError REGISTRY_UNREACHABLE, REGISTRY_ANSWER_INVALID, REGISTRY_PACKAGE_MISSING
 */
export async function nugetPackage(
  { nuget }: Registries,
  version: string,
  signal?: AbortSignal,
): Promise<RemoteFile> {
  const id = 'microsoft.ml.onnxruntime.gpu.linux';
  const read = async <S extends v.GenericSchema>(schema: S, url: string | URL) =>
    checked(schema, await askJson(new URL(url, nuget), nuget, signal), nuget);
  const { resources } = await read(ServiceIndex, nuget);
  const base = resources.find((each) => each['@type'].startsWith('RegistrationsBaseUrl'))?.['@id'];
  if (base === undefined) throw invalid(nuget);
  const leaf = await read(RegistrationLeaf, `${base.replace(/\/*$/, '/')}${id}/${version}.json`);
  const { packageHash, packageSize } = await read(CatalogEntry, leaf.catalogEntry);
  const file = {
    path: `${id}.${version}.nupkg`,
    size: packageSize,
    hash: { kind: 'sha512', value: Buffer.from(packageHash, 'base64').toString('hex') },
  } as const;
  return remote(file, new URL(leaf.packageContent, nuget), nuget, signal);
}

/**
 * A wheel of onnxruntime-gpu for Linux; those for different versions of Python hold the same provider.
 *
 * @param version - of onnxruntime
 * @throws KronaError REGISTRY_UNREACHABLE, REGISTRY_ANSWER_INVALID, REGISTRY_PACKAGE_MISSING
 */
export async function pypiWheel(
  { pypi }: Registries,
  version: string,
  signal?: AbortSignal,
): Promise<RemoteFile> {
  const project = new URL(`${pypi.pathname.replace(/\/*$/, '/')}onnxruntime-gpu/`, pypi);
  const { files } = checked(Project, await askJson(project, pypi, signal), pypi);
  const [wheel] = files
    .filter(({ filename }) => WHEEL.exec(filename)?.[1] === version)
    .sort((a, b) => (a.filename < b.filename ? -1 : 1));
  if (wheel === undefined) throw lacks(pypi, version);
  const { url, size, hashes } = checked(Wheel, wheel, pypi);
  const file = { path: wheel.filename, size, hash: { kind: 'sha256', value: hashes.sha256 } } as const;
  return remote(file, new URL(url, project), pypi, signal);
}

/** Name, version, tags of Python and platform (PEP 427). */
const WHEEL = /^onnxruntime_gpu-([^-]+)-[^/]+manylinux[^/]*x86_64\.whl$/;

const remote = (
  file: Pick<RemoteFile, 'path' | 'size' | 'hash'>,
  url: URL,
  registry: URL,
  signal?: AbortSignal,
): RemoteFile => ({ ...file, origin: 'REGISTRY', bytes: (start) => bytesFrom(url, start, registry, signal) });

async function* bytesFrom(
  url: URL,
  start: number,
  registry: URL,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const stall = new AbortController();
  const timer = setTimeout(() => stall.abort(), STALL_MS);
  try {
    const headers = start === 0 ? {} : { range: `bytes=${start}-` };
    const response = await ask(url, registry, headers, signal, stall.signal);
    // A server without ranges sends the whole file.
    let skip = response.status === 200 ? start : 0;
    for await (const piece of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      timer.refresh();
      const passed = Math.min(skip, piece.length);
      skip -= passed;
      if (passed < piece.length) yield piece.subarray(passed);
    }
  } catch (error) {
    signal?.throwIfAborted();
    throw error instanceof KronaError ? error : unreachable(registry, error);
  } finally {
    clearTimeout(timer);
    // A reader with enough data drops the rest.
    stall.abort();
  }
}

async function askJson(url: URL, registry: URL, signal?: AbortSignal): Promise<unknown> {
  const accept = 'application/vnd.pypi.simple.v1+json, application/json;q=0.9';
  const response = await ask(url, registry, { accept }, signal, AbortSignal.timeout(STALL_MS));
  const pieces: Uint8Array[] = [];
  let came = 0;
  try {
    for await (const piece of (response.body ?? []) as AsyncIterable<Uint8Array>) {
      came += piece.length;
      if (came > MOST_ANSWERED) throw invalid(registry);
      pieces.push(piece);
    }
    return JSON.parse(Buffer.concat(pieces).toString('utf8')) as unknown;
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof KronaError) throw error;
    throw error instanceof SyntaxError ? invalid(registry) : unreachable(registry, error);
  }
}

/** Name and password of the registry's address go to that host only, and never stand in the address of a request. */
async function ask(
  url: URL,
  registry: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal | undefined,
  until: AbortSignal,
): Promise<Response> {
  const { username, password } = registry;
  const plain = new URL(url);
  [plain.username, plain.password] = ['', ''];
  const secret = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`);
  const known = username !== '' && plain.origin === registry.origin;
  let response: Response;
  try {
    response = await fetch(plain, {
      headers: { ...headers, ...(known ? { authorization: `Basic ${secret.toString('base64')}` } : {}) },
      signal: signal ? AbortSignal.any([signal, until]) : until,
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw unreachable(registry, error);
  }
  if (response.ok) return response;
  await response.body?.cancel();
  if (response.status === 404) throw lacks(registry);
  throw new KronaError(
    'REGISTRY_UNREACHABLE',
    `${registry.host} answered with an error (${response.status}).`,
    { retryable: response.status >= 500 || response.status === 429 },
  );
}

/** @throws KronaError REGISTRY_ANSWER_INVALID */
function checked<S extends v.GenericSchema>(schema: S, answer: unknown, registry: URL): v.InferOutput<S> {
  const found = v.safeParse(schema, answer);
  if (!found.success) throw invalid(registry);
  return found.output;
}

const unreachable = (registry: URL, cause: unknown): KronaError =>
  new KronaError('REGISTRY_UNREACHABLE', `The connection to ${registry.host} failed.`, {
    cause,
    retryable: true,
  });

const invalid = (registry: URL): KronaError =>
  new KronaError(
    'REGISTRY_ANSWER_INVALID',
    `${registry.host} describes the package without an address, a size or a hash. Check KRONA_NUGET_INDEX or PIP_INDEX_URL.`,
  );

const lacks = (registry: URL, version = 'this version'): KronaError =>
  new KronaError(
    'REGISTRY_PACKAGE_MISSING',
    `${registry.host} has no package with CUDA for onnxruntime ${version}. Set KRONA_NUGET_INDEX or PIP_INDEX_URL to a registry that has it, or use \`--from\`.`,
  );
