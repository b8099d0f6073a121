/** @file Draws a picture with the embedded model. Run it with `npx tsx examples/draw-picture.ts [prompt] [file]`. */
import { modelCard } from 'krona/adapters';
import { embeddedModel } from 'krona/models';
import { imagineDefaults, TextToImage, writePicture } from 'krona/sampling';

const [prompt = 'a red fox, flat', file = 'fox.png'] = process.argv.slice(2);

const painter = await TextToImage.open(embeddedModel);
const [picture] = await painter.draw({
  ...imagineDefaults(modelCard(painter.model)),
  prompt,
  negative: null,
  adapter: null,
  scheduler: null,
  seed: 1,
  count: 1,
  noise: 'krona',
});
await painter.release();
if (picture === undefined) throw new Error('draw returns `count` pictures');
await writePicture(file, picture);
console.log(`${file}: ${picture.width}×${picture.height}`);
