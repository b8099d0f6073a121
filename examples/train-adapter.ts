/** @file Trains an adapter on photos. Run it with `npx tsx examples/train-adapter.ts <folder of photos> [steps] [file]`. */
import { inspectAdapter, modelCard } from 'krona/adapters';
import { embeddedModel, openModel } from 'krona/models';
import { listPhotos, trainAdapter, trainDefaults, trainRecipe } from 'krona/training';

const [folder, steps = '200', out = 'mochi.safetensors'] = process.argv.slice(2);
if (folder === undefined) throw new Error('Usage: npx tsx examples/train-adapter.ts <folder of photos>');

const card = modelCard(await openModel(embeddedModel));
const result = await trainAdapter(
  {
    ...trainRecipe(card),
    ...trainDefaults(card),
    model: embeddedModel,
    photos: await listPhotos(folder),
    subjectToken: 'mochi',
    subjectClass: 'cat',
    prompt: 'a mochi cat',
    method: 'krona',
    steps: Number(steps),
    seed: 0,
    checkpointEvery: null,
    resume: false,
    trace: null,
    out,
  },
  { onProgress: ({ step, loss }) => loss !== null && console.log(`step ${step}: loss ${loss.toFixed(4)}`) },
);
console.log(`${result.adapter}: ${result.parameters} parameters`);
console.log(await inspectAdapter(out));
