/** @file What the tiny model computes with an adapter on it, for comparison with torch. */
import { layersOf, withoutScales, type AdapterLayers } from '../../gpu-worker/adapters/adapter.ts';
import { adapterFeeds, adapterInputs } from '../../gpu-worker/adapters/adapter-inputs.ts';
import { compile } from '../../gpu-worker/graph/compile.ts';
import { runOnce } from '../../gpu-worker/graph/runtime.ts';
import type { ModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { frozenParameters } from '../../gpu-worker/models/parameters.ts';
import { TextEncoder, type EncodedPrompt } from '../../gpu-worker/models/text-encoder.ts';
import { unet, unetInputs } from '../../gpu-worker/models/unet.ts';
import { readFixture } from './fixtures.ts';

/** The UNet's output for the inputs of the fixture `unet`. */
export async function adaptedOutput(
  model: ModelFolder,
  adapter: AdapterLayers,
  strength = 1,
): Promise<Float32Array> {
  const layers = layersOf(withoutScales(adapter), '');
  const { tensor } = await readFixture('unet');
  const { config, name, tensors } = model.unet;
  const [batch, , height, width] = tensor('sample').shape as [number, number, number, number];
  const inputs = unetInputs(config, batch, height, width, tensor('encoder_hidden_states').shape[1]!);
  const parameters = adapterInputs([layers])(frozenParameters(name, tensors), '');
  const { prediction } = await runOnce(compile({ prediction: unet(config, parameters, inputs) }), {
    latents: tensor('sample').data,
    timesteps: tensor('timesteps').data,
    encoder_hidden_states: tensor('encoder_hidden_states').data,
    text_embeds: tensor('text_embeds').data,
    time_ids: tensor('time_ids').data,
    ...adapterFeeds([{ layers, strength }]),
  });
  return prediction;
}

/** A prompt as the adapted text encoders tell it. */
export async function adaptedText(
  model: ModelFolder,
  adapter: AdapterLayers,
  prompt: string,
): Promise<EncodedPrompt> {
  const all = withoutScales(adapter);
  const layers = new Map(model.textEncoders.flatMap(({ name }) => [...layersOf(all, `${name}.`)]));
  const encoder = await TextEncoder.open(model, adapterInputs([layers]));
  try {
    return await encoder.encode(prompt, adapterFeeds([{ layers, strength: 1 }]));
  } finally {
    await encoder.release();
  }
}
