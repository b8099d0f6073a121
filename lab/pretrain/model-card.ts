/** @file The model card: README.md of a model folder. It states only facts of this model. */
import { at } from '../../core/at.ts';
import { plural } from './captions.ts';
import type { PretrainData } from './concepts.ts';
import { JUDGED_SAMPLING } from './evaluate-model.ts';
import type { Report } from './judge.ts';
import { ART_NOTICES } from './licences.ts';
import type { ArtVersion } from './sprites.ts';
import { describeTraining, type TrainingRun } from './training-history.ts';

export interface ModelCardFacts {
  /** Such as "krona-emoji". */
  readonly name: string;
  readonly data: PretrainData;
  readonly versions: readonly ArtVersion[];
  /** Parameters by component, such as `{ unet: 4260000 }`. */
  readonly parameters: Readonly<Record<string, number>>;
  /** All runs that trained the weights, oldest first. */
  readonly training: readonly TrainingRun[];
  /** Results on the held-out prompts of held-out.png. */
  readonly heldOut: Report;
}

/** README.md for a model folder, with front matter for model hubs. */
export function writeModelCard(facts: ModelCardFacts): string {
  const { name, data, versions, parameters, training, heldOut } = facts;
  const { size } = data;
  const percent = (share: number) => `${(share * 100).toFixed(1)}%`;
  const total = Object.values(parameters).reduce((sum, count) => sum + count, 0);
  const styles = data.styles.map(({ word, set }) => `${word} (${ART_NOTICES[set].title})`);
  const { steps, guidance } = JUDGED_SAMPLING;
  const background =
    data.backgrounds.find(({ name: colour }) => colour === 'blue') ?? at(data.backgrounds, 0);
  const begun =
    training[0]?.stages === null ? 'Started from the weights of another model' : 'Trained from scratch';
  return `---
license: other
license_name: see-model-licenses
license_link: MODEL_LICENSES.md
library_name: diffusers
pipeline_tag: text-to-image
tags: [emoji, text-to-image, stable-diffusion-xl-architecture]
---

# ${name}

A small text-to-image model of the SDXL architecture (two text encoders, UNet with size conditioning, autoencoder with
factor 8) that draws emoji of ${size}×${size} pixels. \`krona pretrain\` made it. Train a small adapter on it to draw your own
subject.

\`\`\`python
from diffusers import StableDiffusionXLPipeline
pipe = StableDiffusionXLPipeline.from_pretrained("${name}")
prompt = "a ${at(data.styles, 0).word} ${at(data.concepts, 0).word} on a ${background.name} background"
size = {"height": ${size}, "width": ${size}, "original_size": (${size}, ${size}), "target_size": (${size}, ${size})}
pipe(prompt, num_inference_steps=${steps}, guidance_scale=${guidance}, **size).images[0].save("emoji.png")
\`\`\`

## What it knows

- Styles: ${styles.join(', ')}.
- Backgrounds: ${data.backgrounds.map(({ name: colour }) => colour).join(', ')}.
- ${data.concepts.length} concepts: ${data.concepts.map(({ word }) => word).join(', ')}.
- Prompts look like ${examplePrompts(data)}; it was trained on prompts of up to ${data.tokenizer.maxLength - 2} tokens. Words outside its vocabulary give undefined results.

## Made of

| component | parameters |
|---|---|
${Object.entries(parameters)
  .map(([component, count]) => `| ${component} | ${count.toLocaleString('en-US')} |\n`)
  .join('')}| all | ${total.toLocaleString('en-US')} |

## Training

${begun}${training.length > 1 ? '; each later run started from the weights of the one before' : ''}. Hours count
training steps only. training.json has the same in machine-readable form.

${describeTraining(training)}
## Measured

${steps} steps, guidance ${guidance}.

| prompts | number | correct background | nearest concept | among 5 nearest | style |
|---|---|---|---|---|---|
| held-out pair of concept and background | ${heldOut.prompts} | ${percent(heldOut.background)} | ${percent(heldOut.top1)} | ${percent(heldOut.top5)} | ${percent(heldOut.style)} |

These are the prompts of held-out.png, judged leniently at the end of the run. A concept is correct when the nearest of
all training drawings (${data.styles.length} styles of ${data.concepts.length} concepts), at 16×16 pixels on the requested colour, shows it; this doesn't test whether
people recognise it. The background is the nearest of ${data.backgrounds.length} colours to the median of the border.
Pairs, positions, numbers and colours aren't tested. \`krona evaluate model --card\` judges all of these with classifiers
trained on other drawings, and writes its table here.

## Limits

It draws only emoji-like pictures of the concepts above: no photographs, no text, no scenes. Its training data has no
picture of a real person.

## Art and licences

Trained on ${versions.map(({ package: packageName, version }) => `${packageName} ${version}`).join(', ')}; notices and licences are in
MODEL_LICENSES.md.
`;
}

/** An example of each trained kind. */
function examplePrompts({ styles, concepts, placement }: PretrainData): string {
  const [style, first, second] = [
    at(styles, 0).word,
    at(concepts, 0).word,
    (concepts[1] ?? at(concepts, 0)).word,
  ];
  const { pairs, counts, corners, recolours } = placement;
  return [
    `"a ${style} ${first} on a red background"`,
    ...(pairs > 0 ? [`"a ${style} ${first} next to a ${second} on a red background" (or above it)`] : []),
    ...(counts > 0 ? [`"two ${style} ${plural(first)} in a row"`] : []),
    ...(corners > 0 ? [`"a small ${style} ${first} in the top left"`] : []),
    ...(recolours > 0 ? [`"a purple ${first}"`] : []),
  ].join(', ');
}
