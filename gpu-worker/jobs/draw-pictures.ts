/**
 * @file Draws the pictures of a set and stores each as soon as it is drawn; pictures that are stored already are not
 * drawn again. Every picture that Krona posts passes here, so the channel's safety check is here.
 */
import { traced } from '../../core/tracing.ts';
import type { PictureSet, SetPreview } from '../../core/records.ts';
import { askedPictures, requestOf, type SetDrawing } from './asked-drawing.ts';
import type { WorkerContext } from './context.ts';
import { InOrder } from './in-order.ts';
import { rulesOfSet } from './picture-rules.ts';
import { PictureStore } from './picture-store.ts';
import type { PlannedPicture } from './planned-picture.ts';

export interface DrawingOptions extends SetDrawing {
  /** By index. */
  readonly pictures: readonly PlannedPicture[];
  readonly signal: AbortSignal;
  /** A picture is stored. */
  readonly onKept?: () => void;
  /** After each denoising step, counted over all pictures. */
  readonly onStep?: (step: number, steps: number) => void;
  /**
   * What a picture looks like so far; null: nothing is shown of it. Never called where the channel's rules hold pictures back,
   * or the set's settings want no previews.
   */
  readonly onPreview?: (preview: SetPreview | null) => void;
}

type Context = Pick<WorkerContext, 'records' | 'blobs' | 'engine' | 'model' | 'held' | 'dataFolder' | 'log'>;

/** @throws KronaError as Engine.draw; BLOB_NOT_FOUND, DISK_FULL; the signal's reason when it aborts */
export async function drawPictures(
  context: Context,
  set: PictureSet,
  options: DrawingOptions,
): Promise<void> {
  const { records, engine } = context;
  const { pictures, signal, onKept, onStep, onPreview } = options;
  const shown = (await records.pictures(set.id)).length;
  // Pictures are stored in order, so the stored and the held ones are the first.
  const done = shown + (await records.heldPictures(set.id)).length;
  const missing = pictures.slice(done);
  if (missing.length === 0) return;
  const rule = await rulesOfSet(context, set);
  const store = new PictureStore(context, set, missing, rule, { shown, done });
  const storing = new InOrder();
  const drawing = engine.draw(
    {
      ...(await requestOf(context, set, options)),
      pictures: await askedPictures(context, missing),
      check: rule.safety !== 'off',
      // Whether a picture is to be held back is known when it is done: until then, nothing of it can be shown.
      previews: onPreview !== undefined && set.settings.previews && rule.safety !== 'block',
    },
    {
      signal: AbortSignal.any([signal, storing.signal]),
      onEvent: (event) => {
        if ('picture' in event) storing.add(() => store.keep(event.picture).then(onKept));
        else if ('preview' in event) onPreview?.(store.previewOf(event.preview));
        else if ('notice' in event) context.log.warn({ set: set.id }, event.notice);
        else if ('promptLength' in event)
          storing.add(() => records.updateSet(set.id, { promptLength: event.promptLength }));
        else {
          const before = (event.steps / missing.length) * done;
          onStep?.(before + event.step, before + event.steps);
        }
      },
    },
  );
  await traced(set.runId ?? set.id, 'draw', () => drawing, { pictures: missing.length });
  await storing.done();
}
