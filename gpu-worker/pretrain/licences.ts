/**
 * @file The texts that go with a pretrained model: the licences of the art it was trained on, and its model card.
 * Both say only what was really used, from the configuration and the installed packages.
 */
import type { ArtSet, PretrainData } from './concepts.ts';
import type { Report } from './judge.ts';
import type { ArtVersion } from './sprites.ts';

interface ArtNotice {
  readonly title: string;
  readonly licence: string;
  readonly source: string;
  /** What the licence asks to be said. */
  readonly notice: string;
}

const microsoft = {
  licence: 'MIT',
  source: 'https://github.com/microsoft/fluentui-emoji',
  notice: `Copyright (c) Microsoft Corporation.

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`,
};

const notices: Readonly<Record<ArtSet, ArtNotice>> = {
  twemoji: {
    title: 'Twemoji',
    licence: 'CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/)',
    source: 'https://github.com/jdecked/twemoji',
    notice:
      'Twemoji, © Twitter, Inc and other contributors, licensed under CC BY 4.0. The graphics were changed: ' +
      'rendered, scaled and put on coloured backgrounds for training.',
  },
  'fluent-3d': { title: 'Fluent Emoji, 3D', ...microsoft },
  'fluent-emoji-flat': { title: 'Fluent Emoji, flat', ...microsoft },
  noto: {
    title: 'Noto Emoji',
    licence: 'Apache License 2.0 (https://www.apache.org/licenses/LICENSE-2.0)',
    source: 'https://github.com/googlefonts/noto-emoji',
    notice:
      'Noto Emoji, © Google Inc, licensed under the Apache License, Version 2.0. The graphics were changed: ' +
      'rendered, scaled and put on coloured backgrounds for training.',
  },
};

/** MODEL_LICENSES.md for a model folder. */
export function writeModelLicences(name: string, versions: readonly ArtVersion[]): string {
  const sections = versions.map(({ set, package: packageName, version }) => {
    const { title, licence, source, notice } = notices[set];
    return `## ${title}

- Source: ${source}
- Package: ${packageName} ${version}
- Licence: ${licence}

${notice}
`;
  });
  return `# Art that ${name} was trained on

The weights were made from nothing but pictures composed from the drawings below. The names of emoji and their
keywords are from emojibase-data (MIT, https://github.com/milesj/emojibase).

${sections.join('\n')}`;
}

export interface ModelCardFacts {
  /** Such as "krona-emoji". */
  readonly name: string;
  readonly data: PretrainData;
  readonly versions: readonly ArtVersion[];
  /** Parameters by component, such as `{ unet: 4260000 }`. */
  readonly parameters: Readonly<Record<string, number>>;
  /** One line per stage, such as "autoencoder: 60,000 crops of 64×64, 40 minutes on 2 cores". */
  readonly training: readonly string[];
  /** Shares measured on prompts that were never trained and on trained ones, when measured. */
  readonly heldOut?: Report;
  readonly trained?: Report;
  /** How the judged pictures were drawn, such as "DDIM, 20 steps, guidance 4". */
  readonly sampling?: string;
}

/** README.md for a model folder, with the front matter that hubs read. */
export function writeModelCard(facts: ModelCardFacts): string {
  const { name, data, versions, parameters } = facts;
  const { size } = data;
  const percent = (share: number) => `${(share * 100).toFixed(1)} %`;
  const total = Object.values(parameters).reduce((sum, count) => sum + count, 0);
  const styles = data.styles.map(({ word, set }) => `${word} (${notices[set].title})`);
  const row = (label: string, report: Report | undefined) =>
    report
      ? `| ${label} | ${report.prompts} | ${percent(report.background)} | ${percent(report.top1)} | ${percent(report.top5)} | ${percent(report.style)} |\n`
      : '';
  const measured = `## Measured

${facts.sampling ?? ''}

| prompts | number | background as asked | concept nearest | among 5 nearest | style |
|---|---|---|---|---|---|
${row('never trained pair of concept and background', facts.heldOut)}${row('trained', facts.trained)}
The concept is right when, of all training drawings in ${data.styles.length} styles of ${data.concepts.length} concepts, the nearest at 16×16 pixels on the
asked colour is one of it; the background by the median colour of the border among ${data.backgrounds.length} names.

`;
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
factor 8) that draws emoji of ${size}×${size} pixels. It was trained from scratch by \`krona pretrain\`, and is meant to be
taught a subject of your own with a small adapter.

\`\`\`python
from diffusers import StableDiffusionXLPipeline
pipe = StableDiffusionXLPipeline.from_pretrained("${name}")
prompt = "a ${data.styles[0]!.word} ${data.concepts[0]!.word} on a ${data.backgrounds.find(({ name: colour }) => colour === 'blue')?.name ?? data.backgrounds[0]!.name} background"
pipe(prompt, height=${size}, width=${size}, original_size=(${size}, ${size}), target_size=(${size}, ${size})).images[0].save("emoji.png")
\`\`\`

## What it knows

- Styles: ${styles.join(', ')}.
- Backgrounds: ${data.backgrounds.map(({ name: colour }) => colour).join(', ')}.
- ${data.concepts.length} concepts: ${data.concepts.map(({ word }) => word).join(', ')}.
- Prompts look like "a ${data.styles[0]!.word} ${data.concepts[0]!.word} on a red background"; at most ${data.tokenizer.maxLength - 2} tokens are read. Words it was not taught give something undefined.

## Made of

| component | parameters |
|---|---|
${Object.entries(parameters)
  .map(([component, count]) => `| ${component} | ${count.toLocaleString('en-US')} |\n`)
  .join('')}| all | ${total.toLocaleString('en-US')} |

${facts.training.map((line) => `- ${line}\n`).join('')}
${facts.heldOut || facts.trained ? measured : ''}## Limits

It draws emoji-like pictures of the concepts above and nothing else: no photographs, no text, no scenes. It has seen no
picture of a real person.

## Art and licences

Trained on ${versions.map(({ package: packageName, version }) => `${packageName} ${version}`).join(', ')}; notices and licences are in
MODEL_LICENSES.md.
`;
}
