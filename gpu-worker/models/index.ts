/**
 * @file `krona/models`: opens Stable Diffusion models, and builds CLIP text encoders, UNets and VAEs as graphs.
 *
 * `openModel` opens a diffusers folder or a single file without loading it. `TextEncoder`, `openEncoder` and `openDecoder`
 * are ready to run; `unet`, `clipText`, `vaeEncoder` and `vaeDecoder` are graphs of `Parameters`. docs/models.md lists the
 * architectures and file formats.
 */
export { embeddedModel } from '../../core/package.ts';
export { openModel } from './open-model.ts';
export type { ModelComponent, ModelFolder } from './model-folder.ts';
export { checkModel, inspectModel, type ModelInspection, type ModelReport } from './model-check.ts';
export { ARCHITECTURES, timeIds, type Architecture } from './architecture.ts';
export type { ClipTextConfig, UNetConfig, VaeConfig } from './model-configs.ts';
export { pullModel, type PullHooks, type PullOptions, type PullResult } from './hub/pull.ts';
export { hubSettings, type HubSettings } from './hub/hub-client.ts';

export { TextEncoder, type EncodedPrompt } from './text-encoder.ts';
export { openDecoder, openEncoder, type Decoder, type EncodedPicture, type Encoder } from './autoencoder.ts';
export { openTinyAutoencoder, openTinyDecoder, type TinyAutoencoder } from './tiny-autoencoder.ts';
export { loadTokenizer, type ClipTokenizer } from './tokenizer.ts';

export { clipText, endPositions, type ClipTextOutputs } from './clip-text.ts';
export { unet, unetInputs, unetOutputs, type UNetInputs, type UNetOptions } from './unet.ts';
export { vaeDecoder, vaeEncoder, vaeScale } from './vae.ts';
export {
  FlatLayout,
  frozenParameters,
  givenParameters,
  namedSlices,
  parametersOf,
  type Parameters,
  type ParameterShape,
} from './parameters.ts';

export {
  openSafetensors,
  readFloats,
  readTensor,
  writeSafetensors,
  type SafetensorsFile,
  type StoredTensor,
  type TensorToWrite,
} from './safetensors.ts';
