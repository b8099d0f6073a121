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
  const { data, versions, parameters, training, heldOut } = facts;
  const sections = [
    FRONT_MATTER,
    introduction(facts),
    knowledge(data),
    parameterTable(parameters),
    trainingRuns(training),
    measurement(data, heldOut),
    LIMITS,
    art(versions),
  ];
  return `${sections.join('\n\n')}\n`;
}

const FRONT_MATTER = `---
license: other
license_name: see-model-licenses
license_link: MODEL_LICENSES.md
library_name: diffusers
pipeline_tag: text-to-image
tags: [emoji, text-to-image, stable-diffusion-xl-architecture]
---`;

const LIMITS = `## Limits

It draws only emoji-like pictures of the concepts above: no photographs, no text, no scenes. UNet and text encoders were
trained on drawings alone. If the autoencoder also saw photos, MODEL_LICENSES.md names them.`;

function introduction({ name, data }: ModelCardFacts): string {
  const { size, styles, concepts, backgrounds } = data;
  const { steps, guidance } = JUDGED_SAMPLING;
  const background = backgrounds.find((one) => one.name === 'blue') ?? at(backgrounds, 0);
  return `# ${name}

A small text-to-image model of the SDXL architecture (two text encoders, UNet with size conditioning, autoencoder with
factor 8) that draws emoji of ${size}×${size} pixels. \`krona pretrain\` made it. Train a small adapter on it to draw your own
subject.

\`\`\`python
from diffusers import StableDiffusionXLPipeline
pipe = StableDiffusionXLPipeline.from_pretrained("${name}")
prompt = "a ${at(styles, 0).word} ${at(concepts, 0).word} on a ${background.name} background"
size = {"height": ${size}, "width": ${size}, "original_size": (${size}, ${size}), "target_size": (${size}, ${size})}
pipe(prompt, num_inference_steps=${steps}, guidance_scale=${guidance}, **size).images[0].save("emoji.png")
\`\`\``;
}

function knowledge(data: PretrainData): string {
  const { styles, backgrounds, concepts, tokenizer, captions } = data;
  const words =
    (captions.unknown ?? 0) > 0
      ? 'It was also trained on prompts with unknown words, which change nothing.'
      : 'Words outside its vocabulary give undefined results.';
  return `## What it knows

- Styles: ${styles.map(({ word, set }) => `${word} (${ART_NOTICES[set].title})`).join(', ')}.
- Backgrounds: ${backgrounds.map(({ name }) => name).join(', ')}.
- ${concepts.length} concepts: ${concepts.map(({ word }) => word).join(', ')}.
- Prompts look like ${examplePrompts(data)}; it was trained on prompts of up to ${tokenizer.maxLength - 2} tokens. ${words}`;
}

function parameterTable(parameters: ModelCardFacts['parameters']): string {
  const total = Object.values(parameters).reduce((sum, count) => sum + count, 0);
  const rows = Object.entries({ ...parameters, all: total }).map(
    ([component, count]) => `| ${component} | ${count.toLocaleString('en-US')} |`,
  );
  return `## Made of

| component | parameters |
|---|---|
${rows.join('\n')}`;
}

function trainingRuns(runs: ModelCardFacts['training']): string {
  const start =
    runs[0]?.stages === null ? 'Started from the weights of another model' : 'Trained from scratch';
  const later = runs.length > 1 ? '; each later run started from the weights of the one before' : '';
  return `## Training

${start}${later}. Hours count
training steps only. training.json has the same in machine-readable form.

${describeTraining(runs).trimEnd()}`;
}

function measurement({ styles, concepts, backgrounds }: PretrainData, heldOut: Report): string {
  const { steps, guidance } = JUDGED_SAMPLING;
  const { prompts, ...shares } = heldOut;
  const [background, top1, top5, style] = [shares.background, shares.top1, shares.top5, shares.style].map(
    (share) => `${(share * 100).toFixed(1)}%`,
  );
  return `## Measured

${steps} steps, guidance ${guidance}.

| prompts | number | correct background | nearest concept | among 5 nearest | style |
|---|---|---|---|---|---|
| held-out pair of concept and background | ${prompts} | ${background} | ${top1} | ${top5} | ${style} |

These are the prompts of held-out.png, judged leniently at the end of the run. A concept is correct when the nearest of
all training drawings (${styles.length} styles of ${concepts.length} concepts), at 16×16 pixels on the requested colour, shows it; this doesn't test whether
people recognise it. The background is the nearest of ${backgrounds.length} colours to the median of the border.
Pairs, positions, numbers and colours aren't tested. \`krona evaluate model --card\` judges all of these with classifiers
trained on other drawings, and writes its table here.`;
}

const art = (versions: readonly ArtVersion[]): string => `## Art and licences

Trained on ${versions.map(({ package: packageName, version }) => `${packageName} ${version}`).join(', ')}; notices and licences are in
MODEL_LICENSES.md.`;

/** An example of each trained kind. */
function examplePrompts({ styles, concepts, placement }: PretrainData): string {
  const [style, first, second] = [
    at(styles, 0).word,
    at(concepts, 0).word,
    (concepts[1] ?? at(concepts, 0)).word,
  ];
  const { pairs, counts, corners, recolours, wearing = 0, sizes = 0, places = 0, effects = 0 } = placement;
  return [
    `"a ${style} ${first} on a red background"`,
    ...(pairs > 0 ? [`"a ${style} ${first} next to a ${second} on a red background" (or above it)`] : []),
    ...(counts > 0 ? [`"two ${style} ${plural(first)} in a row"`] : []),
    ...(corners > 0 ? [`"a small ${style} ${first} in the top left"`] : []),
    ...(recolours > 0 ? [`"a purple ${first}"`] : []),
    ...(wearing > 0 ? [`"a ${first} with a hat"`] : []),
    ...(sizes > 0 ? [`"a tiny ${first}"`] : []),
    ...(places > 0 ? [`"a ${first} on the beach"`] : []),
    ...(effects > 0 ? [`"a watercolor of a ${first}"`] : []),
  ].join(', ');
}
