/** @file The environment variables that Krona reads. README.md describes them; no other file reads `process.env`. */
import { homedir } from 'node:os';
import { join } from 'node:path';
import { KronaError } from './errors.ts';

export const VARIABLES = [
  'KRONA_PORT',
  'KRONA_HOST',
  'KRONA_URL',
  'KRONA_DATA',
  'KRONA_BLOBS',
  'KRONA_BLOB_LINKS',
  'KRONA_STORAGE',
  'KRONA_SECRET',
  'KRONA_ACCESS',
  'KRONA_ACCESS_KEY',
  'KRONA_MODERATOR_KEY',
  'KRONA_TRUSTED_PROXIES',
  'KRONA_STATUS_PORT',
  'KRONA_STATUS_HOST',
  'KRONA_WEBHOOK_ORIGINS',
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'KRONA_MODEL',
  'KRONA_CATALOGUE',
  'KRONA_REFINER',
  'KRONA_SPEED',
  'KRONA_TOKENIZER',
  'KRONA_CLIP',
  'KRONA_DINO',
  'KRONA_TAESD',
  'KRONA_TAESDXL',
  'KRONA_DEVICE',
  'KRONA_THREADS',
  'KRONA_FORMS',
  'KRONA_CUDA_PATH',
  'KRONA_NUGET_INDEX',
  'PIP_INDEX_URL',
  'DATABASE_URL',
  'REDIS_URL',
  'AWS_ACCESS_KEY_ID',
  'AWS_SECRET_ACCESS_KEY',
  'AWS_SESSION_TOKEN',
  'AWS_REGION',
  'AWS_ENDPOINT_URL',
  'AWS_ENDPOINT_URL_S3',
  'DISCORD_TOKEN',
  'KRONA_DISCORD_SHARDS',
  'KRONA_DISCORD_API',
  'KRONA_DISCORD_DIRECT',
  'SLACK_BOT_TOKEN',
  'SLACK_APP_TOKEN',
  'SLACK_SIGNING_SECRET',
  'SLACK_CLIENT_ID',
  'SLACK_CLIENT_SECRET',
  'KRONA_SLACK_API',
  'HF_TOKEN',
  'HF_ENDPOINT',
  'KRONA_LOG',
  'KRONA_DEBUG',
] as const;

/** Values by name, without empty ones: those count as unset. */
export type Environment = { readonly [Name in (typeof VARIABLES)[number]]?: string };

/** Reads Krona's variables. @param from - by default, the variables of this process at this moment */
export function readEnvironment(
  from: Readonly<Record<string, string | undefined>> = process.env,
): Environment {
  return Object.fromEntries(VARIABLES.flatMap((name) => (from[name] ? [[name, from[name]]] : [])));
}

/** Variables of this process that have Krona's name but no meaning, such as mistyped ones. */
export function unknownVariables(): string[] {
  const known: readonly string[] = VARIABLES;
  return Object.keys(process.env).filter((name) => name.startsWith('KRONA_') && !known.includes(name));
}

/** Variables of the system that programs and their libraries look for. */
const SYSTEM = [
  ...[
    'PATH',
    'HOME',
    'USER',
    'LOGNAME',
    'LANG',
    'LANGUAGE',
    'LC_ALL',
    'LC_CTYPE',
    'TZ',
    'TMPDIR',
    'TMP',
    'TEMP',
  ],
  ...['SystemRoot', 'windir', 'APPDATA', 'LOCALAPPDATA', 'XDG_CACHE_HOME', 'XDG_RUNTIME_DIR'],
  ...[
    'NODE_ENV',
    'NODE_OPTIONS',
    'NODE_COMPILE_CACHE',
    'NODE_EXTRA_CA_CERTS',
    'NODE_V8_COVERAGE',
    'SSL_CERT_FILE',
    'SSL_CERT_DIR',
  ],
  ...['LD_LIBRARY_PATH', 'DYLD_LIBRARY_PATH', 'MALLOC_ARENA_MAX', 'OMP_NUM_THREADS', 'VK_ICD_FILENAMES'],
  ...['VK_DRIVER_FILES', 'VK_ADD_DRIVER_FILES', 'MESA_VK_DEVICE_SELECT'],
  ...['CUDA_HOME', 'CUDA_PATH', 'CUDA_VISIBLE_DEVICES', 'CUDA_DEVICE_ORDER', 'CUDA_CACHE_PATH'],
  ...['NVIDIA_VISIBLE_DEVICES', 'NVIDIA_DRIVER_CAPABILITIES', 'VIRTUAL_ENV', 'CONDA_PREFIX'],
];

/** What the client of a bucket reads: keys, or where it gets them. */
const BUCKET = [
  ...['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN', 'AWS_REGION', 'AWS_ENDPOINT_URL'],
  ...['AWS_ENDPOINT_URL_S3', 'AWS_PROFILE', 'AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE'],
  ...['AWS_ROLE_ARN', 'AWS_ROLE_SESSION_NAME', 'AWS_WEB_IDENTITY_TOKEN_FILE', 'AWS_CA_BUNDLE'],
  ...['AWS_CONTAINER_CREDENTIALS_RELATIVE_URI', 'AWS_CONTAINER_CREDENTIALS_FULL_URI'],
  ...['AWS_CONTAINER_AUTHORIZATION_TOKEN', 'AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE'],
];

const ENGINE = [
  ...SYSTEM,
  ...['KRONA_THREADS', 'KRONA_FORMS', 'KRONA_CUDA_PATH', 'KRONA_TOKENIZER', 'KRONA_CLIP', 'KRONA_DINO'],
  ...['KRONA_TAESD', 'KRONA_TAESDXL', 'KRONA_DEBUG'],
];

/**
 * The variables that a child process gets. Worker and engine parse files from others, so they get what they need and
 * no token or secret of a chat platform; the engine gets neither database nor bucket. `null`: all variables of this process.
 */
const CHILD_VARIABLES = {
  bot: null,
  worker: [
    ...ENGINE,
    ...[
      'KRONA_DATA',
      'KRONA_BLOBS',
      'KRONA_MODEL',
      'KRONA_CATALOGUE',
      'KRONA_REFINER',
      'KRONA_SPEED',
      'KRONA_DEVICE',
      'KRONA_LOG',
      'KRONA_STATUS_PORT',
      'KRONA_STATUS_HOST',
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'KRONA_STORAGE',
      'DATABASE_URL',
      'REDIS_URL',
      // Models are pulled from the hub, gated ones with the token.
      'HF_ENDPOINT',
      'HF_TOKEN',
    ],
    // What DATABASE_URL leaves open, as `pg` reads it.
    ...['PGHOST', 'PGPORT', 'PGDATABASE', 'PGUSER', 'PGPASSWORD', 'PGPASSFILE', 'PGOPTIONS', 'PGSSLMODE'],
    ...['PGSSLROOTCERT', 'PGSSLCERT', 'PGSSLKEY'],
  ],
  engine: ENGINE,
  /** A comparison's worker, started on the command line. */
  command: null,
} as const;

/** Returns the environment of a child process: this one's variables that it can have, with changes. */
export function childEnvironment(
  program: keyof typeof CHILD_VARIABLES,
  changes: Readonly<NodeJS.ProcessEnv> = {},
): NodeJS.ProcessEnv {
  const names: readonly string[] | null = CHILD_VARIABLES[program];
  const also = program === 'worker' && process.env.KRONA_BLOBS?.startsWith('s3:') ? BUCKET : [];
  const own = Object.entries(process.env).filter(
    ([name]) => names === null || names.includes(name) || also.includes(name),
  );
  return { ...Object.fromEntries(own), ...changes };
}

/** Variables with which a process sees one card alone. @param card - its number, from 0, among those that this process sees */
export function cardEnvironment(card: number | null): NodeJS.ProcessEnv {
  if (card === null) return {};
  const visible = process.env.CUDA_VISIBLE_DEVICES?.split(',');
  return {
    // With none, CUDA finds no card and says so.
    CUDA_VISIBLE_DEVICES: visible === undefined ? String(card) : (visible[card] ?? ''),
    // The numbers of `nvidia-smi`; by default, CUDA counts the fastest first.
    CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
  };
}

/** The first card that this process sees, as `nvidia-smi` names it; null: all of them. */
export const visibleCard = (): string | null => process.env.CUDA_VISIBLE_DEVICES?.split(',')[0] || null;

/** Returns KRONA_THREADS, the number of CPU threads of a session; 0 when it is unset: all cores. */
export const threadsWanted = (): number => Number(readEnvironment().KRONA_THREADS ?? 0) || 0;

/**
 * Returns KRONA_FORMS, the folder where compiled programs of small models are kept; null when it is `off`. By default, a
 * folder in the user's cache.
 */
export function formsFolder(): string | null {
  const { KRONA_FORMS: chosen } = readEnvironment();
  if (chosen === 'off') return null;
  if (chosen !== undefined) return chosen;
  try {
    const cache = process.env.XDG_CACHE_HOME || process.env.LOCALAPPDATA || join(homedir(), '.cache');
    return join(cache, 'krona', 'forms');
  } catch {
    // The user has no home.
    return null;
  }
}

/** Folders of the networks that score pictures; missing ones are not configured. */
export interface ScoreFolders {
  /** CLIP's folder. */
  readonly clip?: string;
  /** DINO's or DINOv2's folder. */
  readonly dino?: string;
}

/** Returns KRONA_CLIP and KRONA_DINO. */
export function scoreFolders(): ScoreFolders {
  const { KRONA_CLIP: clip, KRONA_DINO: dino } = readEnvironment();
  return { ...(clip !== undefined && { clip }), ...(dino !== undefined && { dino }) };
}

/** Returns KRONA_TAESD or KRONA_TAESDXL: the folder with the tiny decoder for the previews of a model; null: none. */
export function previewFolder(isSdxl: boolean): string | null {
  const { KRONA_TAESD, KRONA_TAESDXL } = readEnvironment();
  return (isSdxl ? KRONA_TAESDXL : KRONA_TAESD) ?? null;
}

/** Where NVIDIA's libraries can be, as variables tell it. */
export function cudaPlaces(): {
  /** KRONA_CUDA_PATH: folders, with `:` between. */
  readonly named: string | undefined;
  /** Folders of CUDA's toolkit. */
  readonly toolkits: readonly string[];
  /** Environments of Python or conda. */
  readonly pythons: readonly string[];
} {
  const { CUDA_PATH, CUDA_HOME, VIRTUAL_ENV, CONDA_PREFIX } = process.env;
  const given = (...values: (string | undefined)[]): string[] =>
    values.filter((value) => value !== undefined);
  return {
    named: readEnvironment().KRONA_CUDA_PATH,
    toolkits: given(CUDA_PATH, CUDA_HOME),
    pythons: given(VIRTUAL_ENV, CONDA_PREFIX),
  };
}

/** Most bytes of photos, pictures and adapters in all: KRONA_STORAGE in GiB, 200 when it is unset; null for 0: no limit. */
export function storageLimit({ KRONA_STORAGE = '200' } = readEnvironment()): number | null {
  const gibibytes = Number(KRONA_STORAGE);
  if (!(gibibytes >= 0 && gibibytes < 1e6))
    throw new KronaError(
      'KRONA_STORAGE_INVALID',
      `KRONA_STORAGE must be a number of GiB such as 200, or 0 for no limit, not "${KRONA_STORAGE}".`,
    );
  return gibibytes === 0 ? null : gibibytes * 1024 ** 3;
}

/** How a bucket is reached. */
export interface BucketAccess {
  /** AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL; null: Amazon's own for the region. */
  readonly endpoint: string | null;
  /** AWS_REGION; null: as the client finds it, such as in ~/.aws/config. */
  readonly region: string | null;
  /** null: as the client finds them, such as in ~/.aws/credentials or from the machine's role. */
  readonly keys: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  } | null;
}

/** Reads the standard variables of AWS. @throws KronaError AWS_ENDPOINT_URL_INVALID */
export function bucketAccess(env = readEnvironment()): BucketAccess {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, AWS_SESSION_TOKEN } = env;
  const endpoint = env.AWS_ENDPOINT_URL_S3 ?? env.AWS_ENDPOINT_URL ?? null;
  if (endpoint !== null && !(URL.canParse(endpoint) && /^https?:$/.test(new URL(endpoint).protocol)))
    throw new KronaError(
      'AWS_ENDPOINT_URL_INVALID',
      'AWS_ENDPOINT_URL must be an address such as https://s3.example.org. Correct it, or unset it.',
    );
  return {
    endpoint,
    region: env.AWS_REGION ?? null,
    keys:
      accessKeyId === undefined || secretAccessKey === undefined
        ? null
        : {
            accessKeyId,
            secretAccessKey,
            ...(AWS_SESSION_TOKEN !== undefined && { sessionToken: AWS_SESSION_TOKEN }),
          },
  };
}

/** Returns KRONA_DATA, the folder for everything that Krona stores; `data` when it is unset. */
export const dataFolder = ({ KRONA_DATA = 'data' } = readEnvironment()): string => KRONA_DATA;
