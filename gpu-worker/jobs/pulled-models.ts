/**
 * @file The models that were pulled in the chat, in `models/` of the data folder. A file beside a model's own tells that Krona
 * fetched it, and whether it is whole: only such folders are ever deleted, and no files that were there before.
 */
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { catalogue, catalogueModel, modelFolderName, type CatalogueModel } from '../../core/catalogue.ts';
import { KronaError } from '../../core/errors.ts';
import { isFileError, makeFolder, readFileIfAny, writeWhole } from '../../core/files.ts';
import type { Progress } from '../../core/records.ts';
import { Slots } from '../../core/slots.ts';
import { DEFAULT_MODEL } from '../../core/settings/model-card.ts';
import { requireMemory } from '../../core/settings/model-needs.ts';
import type { PulledFiles } from '../../storage/records.ts';
import { hubSettings } from '../models/hub/hub-client.ts';
import { pullModel } from '../models/hub/pull.ts';
import type { WorkerContext } from './context.ts';

/** What a folder's file of this name holds. */
const MARKER = '.krona-pull.json';
interface Mark {
  readonly model: string;
  /** null until all files are there. */
  readonly files: PulledFiles | null;
  /** The folder had files before: somebody else's, which are never deleted. Default false. */
  readonly adopted?: boolean;
}

/** A pull that was cancelled can be resumed for so long, ms. */
const KEEP_PARTS = 24 * 3600_000;

type Context = Pick<WorkerContext, 'records' | 'dataFolder'>;

const modelsFolder = ({ dataFolder }: Pick<Context, 'dataFolder'>): string => join(dataFolder, 'models');

const modelPath = (context: Pick<Context, 'dataFolder'>, model: CatalogueModel): string =>
  join(modelsFolder(context), modelFolderName(model));

async function markOf(path: string): Promise<Mark | null> {
  const text = await readFileIfAny(join(path, MARKER));
  return text === null ? null : (JSON.parse(text) as Mark);
}

const mark = (path: string, content: Mark): Promise<void> =>
  writeWhole(join(path, MARKER), JSON.stringify(content));

/** By folder: downloads into it and its deletion follow each other, also those of several engines. */
const places = new Map<string, Slots>();

async function alone<T>(path: string, work: () => Promise<T>): Promise<T> {
  const slots = places.get(path) ?? new Slots(1);
  places.set(path, slots);
  const started = await slots.start(work);
  return started.work;
}

interface Conduct {
  readonly signal: AbortSignal;
  readonly report: (change: { readonly progress: Progress | null }) => void;
  readonly advance: () => void;
}

/**
 * Downloads a model, or what is missing of it.
 *
 * @throws KronaError MODEL_TOO_LARGE, DISK_FULL, HUB_*; the signal's reason when it aborts
 */
export async function fetchModel(
  context: Pick<WorkerContext, 'dataFolder' | 'model'>,
  model: CatalogueModel,
  conduct: Conduct,
): Promise<PulledFiles> {
  requireMemory(model, context.model.computer);
  const to = modelPath(context, model);
  return alone(to, () => fetchInto(to, model, conduct));
}

async function fetchInto(
  to: string,
  model: CatalogueModel,
  { signal, report, advance }: Conduct,
): Promise<PulledFiles> {
  signal.throwIfAborted();
  await makeFolder(to);
  const before = await markOf(to);
  const adopted = before === null ? (await readdir(to)).length > 0 : before.adopted === true;
  const of = { model: model.name, ...(adopted && { adopted }) };
  await mark(to, { ...of, files: null });
  const { repo, revision, variant } = model;
  const options = { repo, revision, to, ...(variant !== null && { variant }) };
  const { commit, bytes } = await pullModel(options, hubSettings(), {
    signal,
    onProgress: (progress) => report({ progress }),
    onFile: advance,
  });
  const files = { commit, bytes };
  await mark(to, { ...of, files });
  return files;
}

/** The engine with a pulled model. */
export const engineOn = (context: WorkerContext, model: CatalogueModel): WorkerContext['engine'] =>
  context.engine.on(modelPath(context, model));

/** Closes a pulled model in all engines of this process, as its files go or have changed. @throws KronaError ENGINE_DIED */
export async function releaseModel(
  context: Pick<WorkerContext, 'engines' | 'dataFolder'>,
  model: CatalogueModel,
): Promise<void> {
  const path = modelPath(context, model);
  await Promise.all(context.engines.map((engine) => engine.on(path).release()));
}

/**
 * The context of work that names a model. Another machine may have pulled it: it is then downloaded here first.
 *
 * @throws KronaError MODEL_NOT_PULLED, MODEL_NOT_IN_CATALOGUE, and as fetchModel
 */
export async function contextOn(
  context: WorkerContext,
  name: string,
  conduct: Conduct,
): Promise<WorkerContext> {
  if (name === DEFAULT_MODEL) return context;
  const model = catalogueModel(name);
  const card = await context.records.modelCard(name);
  if (card === null)
    throw new KronaError(
      'MODEL_NOT_PULLED',
      `${model.title} was removed. Pull it again with \`/krona model pull\`, or ask again with the model in use.`,
    );
  requireMemory(model, context.model.computer);
  const path = modelPath(context, model);
  const isHere = async (): Promise<boolean> => ((await markOf(path))?.files ?? null) !== null;
  if (!(await isHere()))
    await alone(path, async () => {
      // Another engine of this process may have brought it meanwhile.
      if (!(await isHere())) await fetchInto(path, model, conduct);
    });
  return { ...context, model: card, engine: engineOn(context, model) };
}

/** Deletes the files of a model that nobody wants any more. @param release - closes it first where it can be open */
export async function dropModel(
  context: Context,
  name: string,
  release: (model: CatalogueModel) => Promise<void> = async () => {},
): Promise<void> {
  const model = catalogue().models.find((each) => each.name === name);
  if (model === undefined || (await context.records.modelCard(name)) !== null) return;
  const path = modelPath(context, model);
  await alone(path, async () => {
    const found = await markOf(path);
    // It may have been asked for again while this waited.
    const isWanted =
      (await context.records.openPull(name)) !== null || (await context.records.modelCard(name)) !== null;
    if (found === null || isWanted) return;
    await release(model);
    await rm(found.adopted ? join(path, MARKER) : path, { recursive: true, force: true });
  });
}

/** Deletes what was pulled and removed while this worker was away, and parts of pulls that ended long ago. */
export async function sweepModels(context: Context): Promise<void> {
  const names = await readdir(modelsFolder(context)).catch((error: unknown): string[] => {
    if (isFileError(error, 'ENOENT')) return [];
    throw error;
  });
  for (const name of names) {
    const path = join(modelsFolder(context), name);
    const found = await markOf(path);
    if (found === null || (await context.records.openPull(found.model)) !== null) continue;
    const age = Date.now() - (await stat(join(path, MARKER))).mtimeMs;
    if (found.files !== null || age > KEEP_PARTS) await dropModel(context, found.model);
  }
}
