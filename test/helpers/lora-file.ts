/** @file A LoRA of random numbers for a tiny model, as training writes it. */
import { adapterLayers, adapterLayout } from '../../gpu-worker/adapters/adapter.ts';
import { writeAdapter } from '../../gpu-worker/adapters/files/write-adapter.ts';
import { ADAPTER_METHODS } from '../../gpu-worker/adapters/methods.ts';
import { modelFingerprint } from '../../gpu-worker/models/fingerprint.ts';
import { openModel } from '../../gpu-worker/models/open-model.ts';
import { KeyedRandom } from '../../core/random.ts';
import { tinyFolder, type TinyName } from './sd-fixtures.ts';

export async function writeLora(name: TinyName, path: string): Promise<string> {
  const model = await openModel(tinyFolder(name));
  const options = { a1: 1, a2: 1, rank: 2, alpha: 2 };
  const shapes = ADAPTER_METHODS.lora.shapes(model, options);
  const random = new KeyedRandom(1, path);
  await writeAdapter(path, adapterLayers(shapes, random.normals(adapterLayout(shapes).length)), model, {
    baseModel: name,
    baseHash: await modelFingerprint(model),
    ...ADAPTER_METHODS.lora.facts(options),
    subjectToken: 'sks',
    subjectClass: 'cat',
    steps: 1,
    seed: 1,
    resolution: 64,
    predictionType: 'epsilon',
    settings: {},
  });
  return path;
}
