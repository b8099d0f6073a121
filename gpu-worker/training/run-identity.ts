/**
 * @file What a run is, by content: the model's weights, the bytes of photos and masks, and every setting that decides the
 * result. A run is resumed only as itself, wherever its files lie.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { basename } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { at } from '../../core/at.ts';
import { counted } from '../../core/format.ts';
import { isJsonObject } from '../../core/json-object.ts';
import type { ModelFolder } from '../models/model-folder.ts';
import { modelIdentity } from '../models/model-identity.ts';
import type { RefineOptions } from './refine-options.ts';
import type { TrainOptions } from './train-options.ts';

interface PhotoIdentity {
  /** For messages. */
  readonly name: string;
  readonly hash: string;
}

export interface RunIdentity {
  /** By the model's parts. */
  readonly model: Readonly<Record<string, string>>;
  readonly photos: readonly PhotoIdentity[];
  readonly masks: readonly (string | null)[];
  readonly classPictures: readonly string[];
  readonly settings: Readonly<Record<string, unknown>>;
}

/** @param classPictures paths */
export async function runIdentity(
  model: ModelFolder,
  options: TrainOptions,
  classPictures: readonly string[],
): Promise<RunIdentity> {
  const { photos, masks = [] } = options;
  return {
    model: await modelIdentity(model),
    photos: (await hashesOf(photos)).map((hash, n) => ({ name: basename(at(photos, n)), hash })),
    masks: await hashesOf(masks),
    classPictures: await hashesOf(classPictures),
    settings: {
      ...settingsOf(options),
      ...(options.refine && { refine: await refineIdentity(options.refine) }),
    },
  };
}

/** One after the other: a process can have a thousand files open, and a folder can hold more. */
async function hashesOf<T extends string | null>(paths: readonly T[]) {
  const hashes: (string | (T & null))[] = [];
  for (const path of paths) hashes.push(path === null ? path : await hashOf(path));
  return hashes;
}

/** A refinement with its files by content. */
async function refineIdentity({ from, pairs, examples, ...settings }: RefineOptions): Promise<object> {
  const paths = [
    ...pairs.flatMap(({ winner, loser }) => [winner, loser]),
    ...examples.map(({ picture }) => picture),
  ];
  const distinct = [...new Set(paths)];
  const hashes = new Map((await hashesOf(distinct)).map((hash, n) => [at(distinct, n), hash]));
  return {
    ...settings,
    from: await hashOf(from),
    pairs: pairs.map((pair) => ({
      ...pair,
      winner: hashes.get(pair.winner),
      loser: hashes.get(pair.loser),
    })),
    examples: examples.map((example) => ({ ...example, picture: hashes.get(example.picture) })),
  };
}

async function hashOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}

function settingsOf(options: TrainOptions): Readonly<Record<string, unknown>> {
  const {
    steps,
    model: _model,
    photos: _photos,
    masks: _masks,
    out: _out,
    resume: _resume,
    restart: _restart,
    trace: _trace,
    checkpointEvery: _every,
    stateSeconds: _seconds,
    keepState: _keepState,
    precision,
    prior,
    refine: _refine,
    ...rest
  } = options;
  return {
    ...rest,
    ...(prior && { prior: { ...prior, folder: undefined } }),
    ...(precision === 'float16' && { precision }),
    // A schedule that ends makes every step depend on how many there are.
    ...((rest.lrSchedule ?? 'constant') === 'constant' ? {} : { steps }),
  };
}

/** What differs between a saved run and this one, in words that follow "it has"; [] when they are the same. */
export function differences(saved: unknown, now: RunIdentity): string[] {
  if (!isRunIdentity(saved))
    return ['no facts about model and photos, as an earlier version of Krona saved it'];
  return [
    ...changedKeys(saved.model, now.model).map((part) => `another ${part} of the model`),
    ...photoDifferences(saved.photos, now.photos),
    ...(same(saved.masks, now.masks) ? [] : ['other masks']),
    ...(same(saved.classPictures, now.classPictures) ? [] : ['other class pictures']),
    ...settingDifferences(saved.settings, now.settings),
  ];
}

function isRunIdentity(value: unknown): value is RunIdentity {
  return (
    isJsonObject(value) &&
    ['photos', 'masks', 'classPictures'].every((key) => Array.isArray(value[key])) &&
    ['model', 'settings'].every((key) => isJsonObject(value[key]))
  );
}

function photoDifferences(saved: readonly PhotoIdentity[], now: readonly PhotoIdentity[]): string[] {
  if (saved.length !== now.length) return [`${counted(saved.length, 'photo')}, not ${now.length}`];
  const changed = now.filter(({ hash }, n) => hash !== saved[n]?.hash);
  if (changed.length === 0) return [];
  const names = changed.slice(0, MOST_NAMES).map(({ name }) => name);
  const more = changed.length > names.length ? ` and ${changed.length - names.length} more` : '';
  return [`other bytes of ${names.join(', ')}${more}`];
}

const MOST_NAMES = 3;
/** Characters of a value that a message shows. */
const SHORT = 40;

function settingDifferences(saved: Facts, now: Facts): string[] {
  return changedKeys(saved, now).map((name) => {
    const option = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    const [was, is] = [saved[name], now[name]].map((value) => canonical(value) ?? 'none');
    const short = was !== undefined && is !== undefined && was.length + is.length <= 2 * SHORT;
    return short ? `\`${option}\` ${was}, not ${is}` : `other \`${option}\``;
  });
}

type Facts = Readonly<Record<string, unknown>>;

/** Keys with different values, in order. */
const changedKeys = (saved: Facts, now: Facts): string[] =>
  [...new Set([...Object.keys(saved), ...Object.keys(now)])]
    .sort()
    .filter((key) => !same(saved[key], now[key]));

const same = (a: unknown, b: unknown): boolean => canonical(a) === canonical(b);

/** JSON with the keys of every object in order; undefined for undefined. */
function canonical(value: unknown): string | undefined {
  return JSON.stringify(value, (_, each: unknown) =>
    isJsonObject(each) ? Object.fromEntries(Object.entries(each).sort(([a], [b]) => (a < b ? -1 : 1))) : each,
  );
}
