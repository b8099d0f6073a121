/** @file Opens an engine's device and model. An engine process that is killed meanwhile is replaced, some times in a row. */
import { pauseAfter } from '../../core/backoff.ts';
import type { EngineDevice } from '../../core/config.ts';
import { KronaError } from '../../core/errors.ts';
import type { Log } from '../../core/log.ts';
import { retry } from '../../core/retrying.ts';
import type { ModelCard } from '../../core/settings/model-card.ts';
import { type Engine, isDied } from './engine.ts';
import type { ChosenDevice } from '../graph/device.ts';

/** Processes that are started before the worker gives up: some seconds in all. */
const STARTS = 5;
/** Pauses between them, ms. */
const PAUSES = { first: 250, longest: 5_000 };

/** An engine and the device that was asked for it. */
export interface Asked<E extends Pick<Engine, 'device' | 'describe'>> {
  readonly asked: EngineDevice;
  readonly engine: E;
}

/** @throws KronaError MODEL_NOT_FOUND, MODEL_*, SAFETENSORS_*, DEVICE_UNAVAILABLE; ENGINE_DIED when it stops again and again */
export async function prepare<E extends Pick<Engine, 'device' | 'describe'>>(
  { asked, engine }: Asked<E>,
  log: Log,
): Promise<Asked<E> & { readonly chosen: ChosenDevice; readonly described: ModelCard }> {
  const open = async () => {
    const chosen = await engine.device();
    log.info({ device: chosen.device, card: asked.card }, chosen.notice ?? `Computing on ${chosen.device}.`);
    const onEvent = ({ notice }: { notice: string }): void => log.warn({}, notice);
    return { asked, engine, chosen, described: await engine.describe({ onEvent }) };
  };
  const pause = (error: unknown, failures: number): number | null => {
    if (!isDied(error) || failures >= STARTS) return null;
    log.warn({ error }, 'the engine process stopped while it started; another one starts');
    return pauseAfter(failures, PAUSES);
  };
  return retry(open, { pause }).catch((error: unknown) => {
    throw explained(error);
  });
}

/** What whoever has started the worker can do. */
function explained(error: unknown): unknown {
  if (isDied(error))
    return new KronaError(
      'ENGINE_DIED',
      `The engine process stopped ${STARTS} times in a row while it opened its device and model. ` +
        'The lines above may say why. This machine may have too little memory for the model.',
      { cause: error, retryable: true },
    );
  if (error instanceof KronaError && error.code === 'MODEL_NOT_FOUND')
    return new KronaError('MODEL_NOT_FOUND', `${error.message} KRONA_MODEL says which.`, { cause: error });
  return error;
}
