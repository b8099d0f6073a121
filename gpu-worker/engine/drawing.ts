/** @file Drawing in the engine process: all pictures of a request, each as soon as it is done. */
import { setImmediate as nextLoop } from 'node:timers/promises';
import { at } from '../../core/at.ts';
import { onFirstUse } from '../../core/on-first-use.ts';
import { encodePng } from '../../core/pictures/encode.ts';
import type { PromptLength } from '../../core/records.ts';
import type { AppliedAdapter } from '../adapters/adapter-inputs.ts';
import { openMobileNet } from '../safety/mobilenet.ts';
import { unsafeScore } from '../safety/unsafe-score.ts';
import { noiseOfSeeds } from '../sampling/noise.ts';
import { drawRefined } from '../sampling/refine.ts';
import { steerBy, type Steer } from '../sampling/steering.ts';
import type { DrawnPicture, TextToImage } from '../sampling/text-to-image.ts';
import { encodeRaster, onWhite, rasterOf } from '../sampling/upscaling/raster.ts';
import { Upscaler } from '../sampling/upscaling/upscaler.ts';
import type { ModelSpeeds } from './model-speeds.ts';
import type { OpenModels } from './open-models.ts';
import { KEPT_ADAPTERS, type DrawAsk, type EngineWork, type PictureAsk } from './protocol.ts';
import { latentsAt, StartingPicture } from './starting-picture.ts';
import { StepPreviews } from './step-previews.ts';
import type { Place } from './turns.ts';

export interface Studio {
  readonly models: OpenModels;
  readonly speeds: ModelSpeeds;
  /** Paths of the model, and of the refiner where the request has one. */
  readonly model: string;
  readonly refiner: string;
  readonly place: Place;
  readonly signal: AbortSignal;
  readonly tell: (event: EngineWork['draw']['event']) => void;
}

/** Draws; between two steps, work of a higher rank goes first. */
export async function drawPictures(
  { pictures, check, previews = false, from, steeredBy, enlarge, ...ask }: Omit<DrawAsk, 'background'>,
  studio: Studio,
): Promise<void> {
  if (enlarge) return enlargePicture(enlarge, check, studio);
  const { models, model, place, signal, tell } = studio;
  const prompts = pictures.map(({ prompt = ask.prompt }) => prompt);
  tell({ promptLength: longestPrompt(await models.painter(model), prompts) });
  const ready = async () => {
    await place.turn(signal);
    return models.painter(model);
  };
  const start = from && (await StartingPicture.of(from, ask, ready));
  const steer = steeredBy && (await steerBy(steeredBy, (png) => latentsAt(png, ask, ready)));
  const looks = previews ? new StepPreviews(tell, check ? unsafeness : null) : null;
  for (let done = 0; done < pictures.length;) {
    const first = done;
    const drawn = await drawAlike(alike(pictures.slice(done)), { ask, start, steer }, studio, {
      signal,
      turn: () => nextLoop(),
      onStep: (step, steps, count) =>
        tell({ step: done * steps + step * count, steps: pictures.length * steps }),
      ...(looks && {
        onEstimate: (latents, painter, count) =>
          looks.show(latents, painter, { ...ask, place: first, count }),
      }),
    });
    for (const made of drawn) {
      const picture = start ? await start.around(made) : made;
      const { width, height } = picture;
      const unsafe = check ? await unsafeness(picture) : null;
      tell({ picture: { place: done++, width, height, png: await encodePng(picture, 9), unsafe } });
    }
  }
}

const upscaler = new Upscaler();

/** Enlarges one picture, which can be transparent; it is scored on white. */
async function enlargePicture(
  { png, scale }: NonNullable<DrawAsk['enlarge']>,
  check: boolean,
  { place, signal, tell }: Studio,
): Promise<void> {
  await place.turn(signal);
  const big = await upscaler.enlarge(await rasterOf(png, 'The picture', scale), scale, { signal });
  const unsafe = check ? await unsafeness(onWhite(big)) : null;
  const { width, height } = big;
  tell({ picture: { place: 0, width, height, png: await encodeRaster(big, 9), unsafe } });
}

type Asked = Omit<
  DrawAsk,
  'background' | 'pictures' | 'check' | 'previews' | 'from' | 'steeredBy' | 'enlarge'
>;

interface Begun {
  readonly ask: Asked;
  readonly start: StartingPicture | undefined;
  readonly steer: Steer | undefined;
}

interface AlikeHooks {
  readonly signal: AbortSignal;
  readonly turn: () => Promise<void>;
  readonly onStep: (step: number, steps: number, count: number) => void;
  readonly onEstimate?: (latents: Float32Array, painter: TextToImage, count: number) => Promise<void>;
}

/** The first of some pictures that differ in their seeds alone: as many as the device draws together. */
async function drawAlike(
  pictures: readonly PictureAsk[],
  { ask: { strength, refine = 0, speed = null, ...request }, start, steer }: Begun,
  { models, speeds, model, refiner, place, signal }: Studio,
  { onStep, onEstimate, ...hooks }: AlikeHooks,
): Promise<readonly DrawnPicture[]> {
  await place.turn(signal);
  const painter = await models.painter(model);
  const { prompt = request.prompt, adapters, places = [] } = at(pictures, 0);
  const fast = await speeds.named(speed, model);
  const adapter = fast === null ? [] : [await readAdapter(painter, fast.path)];
  for (const [n, path] of adapters.entries()) {
    const place = places[n];
    adapter.push({ ...(await readAdapter(painter, path)), strength, ...(place && { place }) });
  }
  const all = {
    ...request,
    prompt,
    ...(fast && request.scheduler === null && { schedulerFields: fast.scheduler }),
    adapter,
    seed: at(pictures, 0).seed,
    count: pictures.length,
    noise: 'krona' as const,
  };
  const count = await painter.picturesAtOnce(all);
  const asked = { ...all, count, ...(start && { start: start.repeated(count) }), ...(steer && { steer }) };
  const noise = noiseOfSeeds(pictures.slice(0, count).map(({ seed }) => seed));
  const counted = {
    ...hooks,
    onStep: (step: number, steps: number) => onStep(step, steps, count),
    ...(onEstimate && { onEstimate: (latents: Float32Array) => onEstimate(latents, painter, count) }),
  };
  if (refine === 0 || start) return painter.draw(asked, counted, noise);
  const second = await models.painter(refiner, [model]);
  return drawRefined(painter, second, asked, { from: 1 - refine }, counted, noise);
}

/** The first pictures, as many as have the same adapters and prompt. */
function alike(pictures: readonly PictureAsk[]): readonly PictureAsk[] {
  const kind = ({ seed: _, ...rest }: PictureAsk): string => JSON.stringify(rest);
  const other = pictures.findIndex((picture) => kind(picture) !== kind(at(pictures, 0)));
  return other < 0 ? pictures : pictures.slice(0, other);
}

function longestPrompt(painter: TextToImage, prompts: readonly string[]): PromptLength {
  return prompts
    .map((prompt) => painter.promptLength(prompt))
    .reduce((longest, each) => (each.tokens > longest.tokens ? each : longest));
}

const adaptersRead = new Map<string, AppliedAdapter>();

async function readAdapter(painter: TextToImage, path: string): Promise<AppliedAdapter> {
  const key = `${painter.model.path} ${path}`;
  const adapter = adaptersRead.get(key) ?? (await painter.readAdapter(path));
  adaptersRead.delete(key);
  adaptersRead.set(key, adapter);
  for (const oldest of [...adaptersRead.keys()].slice(0, -KEPT_ADAPTERS)) adaptersRead.delete(oldest);
  return adapter;
}

const openClassifier = onFirstUse(openMobileNet);

async function unsafeness(picture: DrawnPicture): Promise<number> {
  const scores = await (await openClassifier()).classify([picture]);
  return unsafeScore(at(scores, 0));
}
