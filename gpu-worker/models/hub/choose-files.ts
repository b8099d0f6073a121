/**
 * @file Chooses the files of a hub repository that a model needs here: one variant of everything in a diffusers folder, or
 * of CLIP, DINO or a tiny autoencoder.
 */
import { KronaError } from '../../../core/errors.ts';
import { isJsonObject } from '../../../core/json-object.ts';
import { shardFiles, weightFiles } from '../weight-files.ts';
import type { HubFile, HubSnapshot } from './hub-client.ts';

export const PARTS = [
  'text_encoder',
  'text_encoder_2',
  'unet',
  'vae',
  'tokenizer',
  'tokenizer_2',
  'scheduler',
] as const;
export type Part = (typeof PARTS)[number];

const TOKENIZER = [
  'vocab.json',
  'merges.txt',
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
];
const PICKLE = /\.(bin|ckpt|pt|pth)$/i;

export interface Choice {
  /** `fp16`, …; parts without such files use the default choice. */
  readonly variant?: string;
  /** Only these parts; empty: all. */
  readonly only?: readonly Part[];
}

/**
 * @param readText content of a small file of the repository: indexes of shards are read first
 * @throws KronaError HUB_NO_MODEL, MODEL_PICKLE, MODEL_INDEX_INVALID
 */
export async function chooseFolderFiles(
  snapshot: HubSnapshot,
  { variant, only }: Choice,
  readText: (file: HubFile) => Promise<string>,
): Promise<HubFile[]> {
  const byPath = new Map(snapshot.files.map((file) => [file.path, file]));
  const index = byPath.get('model_index.json');
  if (index === undefined && only === undefined && isPart(snapshot))
    return choosePartFiles(snapshot, variant, readText);
  if (index === undefined && only === undefined) throw noFolder(snapshot);
  const chosen = index === undefined || only !== undefined ? [] : [index];
  for (const part of only ?? PARTS) {
    const names = snapshot.files
      .filter(({ path }) => path.startsWith(`${part}/`) && !path.slice(part.length + 1).includes('/'))
      .map(({ path }) => path.slice(part.length + 1));
    const wanted = part.startsWith('tokenizer')
      ? TOKENIZER.filter((name) => names.includes(name))
      : part === 'scheduler'
        ? names.filter((name) => name === 'scheduler_config.json')
        : names.length === 0
          ? []
          : await weightsOf(snapshot, part, names, variant, (name) =>
              readText(found(byPath, snapshot, `${part}/${name}`)),
            );
    chosen.push(...wanted.map((name) => found(byPath, snapshot, `${part}/${name}`)));
  }
  if (chosen.length === 0) throw noFolder(snapshot);
  return chosen;
}

const PREPROCESSOR = 'preprocessor_config.json';

/** A repository of one network: CLIP or DINO as transformers saves it, or a tiny autoencoder as diffusers does. */
const isPart = ({ files }: HubSnapshot): boolean =>
  files.some(({ path }) => path === PREPROCESSOR || path === TINY_WEIGHTS) &&
  files.some(({ path }) => path === 'config.json');
const TINY_WEIGHTS = 'diffusion_pytorch_model.safetensors';

async function choosePartFiles(
  snapshot: HubSnapshot,
  variant: string | undefined,
  readText: (file: HubFile) => Promise<string>,
): Promise<HubFile[]> {
  const top = new Map(
    snapshot.files.filter(({ path }) => !path.includes('/')).map((file) => [file.path, file]),
  );
  const names = [...top.keys()];
  const weights = await weightsOf(snapshot, '.', names, variant, (name) =>
    readText(found(top, snapshot, name)),
  );
  const others = [PREPROCESSOR, ...TOKENIZER].filter((name) => top.has(name));
  const wanted = [...weights, ...others];
  return wanted.map((name) => found(top, snapshot, name));
}

/** One single-file checkpoint, and an optional config beside it. @throws KronaError HUB_NO_MODEL, MODEL_PICKLE */
export function chooseSingleFile(snapshot: HubSnapshot, path: string): HubFile[] {
  if (PICKLE.test(path))
    throw new KronaError(
      'MODEL_PICKLE',
      `${path} is a Python pickle, which may run code when it is loaded; choose a .safetensors file${listed(snapshot)}.`,
    );
  const wanted = snapshot.files.find((file) => file.path === path);
  if (wanted === undefined || !path.endsWith('.safetensors'))
    throw new KronaError('HUB_NO_MODEL', `${snapshot.repo} has no file ${path}${listed(snapshot)}.`);
  const yaml = path.replace(/\.safetensors$/, '.yaml');
  return snapshot.files.filter((file) => file === wanted || file.path === yaml);
}

/** A component's config and weights. */
async function weightsOf(
  { repo }: HubSnapshot,
  part: Part | '.',
  names: readonly string[],
  variant: string | undefined,
  readText: (name: string) => Promise<string>,
): Promise<string[]> {
  const [choice] = weightFiles(names, variant);
  if (choice === undefined) {
    const pickle = names.find((name) => PICKLE.test(name));
    throw pickle === undefined
      ? new KronaError('HUB_NO_MODEL', `${repo} has no weights in ${part}/ that open here.`)
      : new KronaError(
          'MODEL_PICKLE',
          `${repo} has ${part}/ only as a Python pickle (${pickle}), which may run code when it is loaded; ` +
            'look for a repository with .safetensors files.',
        );
  }
  if (choice.kind === 'file') return ['config.json', choice.name];
  const where = `${part}/${choice.name}`;
  let index: unknown;
  try {
    index = JSON.parse(await readText(choice.name));
  } catch (cause) {
    if (cause instanceof KronaError) throw cause;
    throw new KronaError('MODEL_INDEX_INVALID', `${where} is not JSON.`, { cause });
  }
  const shards = new Set(shardFiles(where, isJsonObject(index) ? index : {}).values());
  return ['config.json', choice.name, ...[...shards].sort()];
}

function found(byPath: ReadonlyMap<string, HubFile>, { repo }: HubSnapshot, path: string): HubFile {
  const file = byPath.get(path);
  if (file === undefined) throw new KronaError('HUB_NO_MODEL', `${repo} lacks ${path}.`);
  return file;
}

function noFolder(snapshot: HubSnapshot): KronaError {
  return new KronaError(
    'HUB_NO_MODEL',
    `${snapshot.repo} has no model_index.json, so it isn't a diffusers folder${listed(snapshot, ' --file')}.`,
  );
}

/** The repository's single files, to choose from. */
function listed({ files }: HubSnapshot, option = ''): string {
  const single = files.map(({ path }) => path).filter((path) => /^[^/]+\.safetensors$/.test(path));
  if (single.length === 0) return '; it has no single files at its top either';
  const more = single.length > 5 ? ', …' : '';
  return `; its single files${option === '' ? '' : ` (${option.trim()})`}: ${single.slice(0, 5).join(', ')}${more}`;
}
