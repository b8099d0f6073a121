/** @file The job `imagine`: draws the pictures of a set, as its record asks. */
import { at } from '../../core/at.ts';
import { KronaError } from '../../core/errors.ts';
import { pictureSeconds } from '../../core/metrics.ts';
import type { JobHandler } from '../../storage/jobs/contract.ts';
import { resolvePrompt, subjectWords } from '../../core/prompt.ts';
import { alternativesOf } from '../../core/prompts/alternatives.ts';
import { splitPlaces, type Place } from '../../core/prompts/split.ts';
import type { Adapter, Duel, PictureSet, Progress, SetPreview, Subject } from '../../core/records.ts';
import { pictureSize } from '../../core/settings/picture-size.ts';
import { nthSeed } from '../../core/seeds.ts';
import type { Records } from '../../storage/records.ts';
import { adaptersOf, subjectsOf } from '../../storage/set-adapters.ts';
import { carryOut, SETS, type Conduct } from './carry-out.ts';
import type { WorkerContext } from './context.ts';
import { countDrawn } from './speeds.ts';
import { contextOn } from './pulled-models.ts';
import type { Original } from './asked-drawing.ts';
import { drawPictures } from './draw-pictures.ts';
import type { PlannedPicture } from './planned-picture.ts';

export function imagineJob(context: WorkerContext): JobHandler<'imagine'> {
  return async (job) => {
    const { setId } = job.payload;
    if (await waits(setId, context.records)) return;
    await carryOut(SETS, setId, job, context, async (set, conduct) => {
      const there = await contextOn(context, set.model, conduct);
      if (there !== context) context.opened.set(set.model, true);
      return imagine(set, there, conduct);
    });
  };
}

/** Whether a set waits for a run, whose end queues it. */
async function waits(setId: string, records: Records): Promise<boolean> {
  const set = await records.set(setId);
  return set?.state === 'queued' && set.awaitsRunId !== null;
}

async function imagine(
  set: PictureSet,
  context: WorkerContext,
  { signal, report, advance }: Conduct,
): Promise<void> {
  const { records } = context;
  const duel = set.duelId === null ? null : await records.duel(set.duelId);
  const adapters = duel === null ? await requireAdapters(set, records) : await rivalsOf(duel, set, records);
  const upscales = await originalOf(set, context);
  const subjects = await records.subjects(set.channelId);
  let first: { readonly step: number; readonly at: number } | null = null;
  const began = performance.now();
  const drawn = { steps: 0, seconds: 0 };
  let progress: Progress | null = null;
  let preview: SetPreview | null = null;
  const show = (step: number, steps: number): void => {
    const at = performance.now();
    // The first step also prepares the model, so time is measured from there.
    first ??= { step, at };
    drawn.steps = step - first.step;
    drawn.seconds = (at - first.at) / 1000;
    const secondsLeft = drawn.steps > 0 ? (drawn.seconds / drawn.steps) * (steps - step) : null;
    progress = { step, steps, secondsLeft, phase: 'drawing' };
    report({ progress, preview });
  };
  await drawPictures(context, set, {
    prompt: resolvePrompt(set.prompt, subjects, subjectsOf(set, adapters)).text,
    pictures:
      duel === null
        ? plannedPictures(set, adapters, subjects)
        : adapters.map((rival) => ({ seed: set.seed, adapters: [rival] })),
    varies: await seedsBehind(records, set.variationOf),
    ...(upscales && { upscales }),
    background: false,
    signal,
    onKept: advance,
    onStep: show,
    onPreview: (shown) => {
      preview = shown;
      report({ progress, preview });
    },
  }).catch((error: unknown) => {
    throw namingSubject(error, adapters, subjects);
  });
  pictureSeconds.observe((performance.now() - began) / 1000 / set.count);
  if (set.kind === 'imagine') await countDrawn(records, set, drawn);
}

/**
 * The pictures of a set. Alternatives come in turn, each round with one seed, so that they differ in their words alone; each
 * has the adapters of the subjects that it names, and of those that none of them names.
 */
function plannedPictures(
  set: PictureSet,
  adapters: readonly Adapter[],
  subjects: readonly Subject[],
): PlannedPicture[] {
  const typed = alternativesOf(set.prompt, set.count);
  const all = subjectsOf(set, adapters);
  const namedIn = (prompt: string) =>
    resolvePrompt(prompt, subjects).subjects.flatMap(({ id }) => (all.includes(id) ? [id] : []));
  const named = typed.flatMap(namedIn);
  const alternatives = typed.map((prompt) => {
    const drawn = all.filter((id) => !named.includes(id) || namedIn(prompt).includes(id));
    const own = adapters.filter(({ subjectId }) => drawn.includes(subjectId));
    const { text } = resolvePrompt(prompt, subjects, drawn);
    const places = placesOf(set, text, own, subjects);
    return {
      adapters: own,
      ...(places && { places }),
      ...(typed.length > 1 && { own: { prompt: text, typed: prompt } }),
    };
  });
  return Array.from({ length: set.count }, (_, n) => ({
    ...at(alternatives, n % alternatives.length),
    seed: nthSeed(set.seed, Math.floor(n / alternatives.length)),
  }));
}

/** Where each adapter acts alone; null: everywhere, as where a picture to begin with says what stands where. */
function placesOf(
  { start, settings }: PictureSet,
  prompt: string,
  adapters: readonly Adapter[],
  subjects: readonly Subject[],
): Place[] | null {
  if (start !== null) return null;
  const drawn = [...new Set(adapters.map(({ subjectId }) => subjectId))];
  const words = drawn.map((subjectId) => {
    const subject = subjects.find(({ id }) => id === subjectId);
    return subject ? subjectWords(subject) : null;
  });
  const places = splitPlaces(prompt, words, settings.split);
  return places && adapters.map(({ subjectId }) => at(places, drawn.indexOf(subjectId)));
}

/** An error about an adapter's file, which is named after its content, with the subject's name instead. */
function namingSubject(error: unknown, adapters: readonly Adapter[], subjects: readonly Subject[]): unknown {
  if (!(error instanceof KronaError)) return error;
  const { code, message } = error;
  const adapter = adapters.find(({ blobHash }) => message.includes(blobHash));
  const subject = subjects.find(({ id }) => id === adapter?.subjectId);
  if (!adapter || !subject) return error;
  const named = message
    .replace(adapter.blobHash, `The adapter of ${subject.name}`)
    .replace('.safetensors', '');
  return KronaError.reported({ code, message: named }, { retryable: error.retryable, cause: error });
}

/** @throws KronaError ADAPTER_GONE if one was deleted after the set was queued */
async function requireAdapters(set: PictureSet, records: Records): Promise<Adapter[]> {
  const adapters = await adaptersOf(set, records);
  if (set.subjectId !== null && adapters.length < 1 + set.alsoAdapterIds.length)
    throw new KronaError(
      'ADAPTER_GONE',
      'An adapter for these pictures was deleted. Ask again to draw them with another one.',
    );
  return adapters;
}

/** The adapters of a pair of a duel, in the order of its pictures. @throws KronaError ADAPTER_GONE */
async function rivalsOf(duel: Duel, { duelPlace }: PictureSet, records: Records): Promise<Adapter[]> {
  const { firstId, secondId, swapped } = duel;
  const ids = swapped[duelPlace ?? 0] ? [secondId, firstId] : [firstId, secondId];
  const found: Adapter[] = [];
  for (const id of ids) {
    const adapter = id === null ? null : await records.adapter(id);
    if (adapter === null) throw new KronaError('ADAPTER_GONE', 'An adapter of this duel was deleted.');
    found.push(adapter);
  }
  return found;
}

/** The picture that a set of kind `upscale` enlarges: one of Krona's, or a member's. @throws KronaError PICTURE_GONE */
async function originalOf(
  { kind, upscaleOf, start, settings }: PictureSet,
  { records, model }: WorkerContext,
): Promise<Original | null> {
  if (kind !== 'upscale') return null;
  const blobHash = start?.blobHash ?? null;
  if (blobHash !== null) return { blobHash, ...pictureSize(settings, model) };
  const picture = upscaleOf === null ? null : await records.picture(upscaleOf);
  if (picture !== null) return picture;
  throw new KronaError('PICTURE_GONE', 'The picture to upscale was deleted.');
}

/** Seeds of a picture and of the pictures that it varies, the original first. */
async function seedsBehind(records: Records, pictureId: string | null): Promise<number[]> {
  const picture = pictureId === null ? null : await records.picture(pictureId);
  if (picture === null) return [];
  const set = await records.set(picture.setId);
  return [...(await seedsBehind(records, set?.variationOf ?? null)), picture.seed];
}
