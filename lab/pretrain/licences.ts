/**
 * @file The attribution that the authors of drawings and words require for weights trained on them, and the licence
 * texts to include.
 */
import { readFile } from 'node:fs/promises';
import type { ArtSet } from './concepts.ts';
import type { ArtVersion } from './sprites.ts';

export interface ArtNotice {
  readonly title: string;
  readonly licence: string;
  readonly source: string;
  /** The attribution that the licence requires. */
  readonly notice: string;
}

const MICROSOFT_MIT = `Copyright (c) Microsoft Corporation.

Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated
documentation files (the "Software"), to deal in the Software without restriction, including without limitation the
rights to use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit
persons to whom the Software is furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all copies or substantial portions of the
Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE
WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR
COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR
OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;

const microsoft = {
  licence: 'MIT',
  source: 'https://github.com/microsoft/fluentui-emoji',
  notice: MICROSOFT_MIT,
};

export const ART_NOTICES: Readonly<Record<ArtSet, ArtNotice>> = {
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
    licence: 'Apache License 2.0 (below)',
    source: 'https://github.com/googlefonts/noto-emoji',
    notice:
      'Noto Emoji, © Google Inc, licensed under the Apache License, Version 2.0. The graphics were changed: ' +
      'rendered, scaled and put on coloured backgrounds for training.',
  },
};

/** A part of a Markdown file, under a heading of level `level`. */
export function noticeSection(
  { title, licence, source, notice }: ArtNotice,
  origin: string,
  level = '##',
): string {
  return `${level} ${title}

- Source: ${source}
- Package: ${origin}
- Licence: ${licence}

${notice}
`;
}

/** A part of a Markdown file: the licence to pass on with the works under it. */
export const apacheSection = async (): Promise<string> =>
  `## Apache License 2.0\n\n${await textBlock('LICENSE-APACHE-2.0.txt')}`;

/** A file of data/, unchanged. */
async function textBlock(name: string): Promise<string> {
  const text = await readFile(new URL(`./data/${name}`, import.meta.url), 'utf8');
  return `\`\`\`text\n${text.trimEnd()}\n\`\`\`\n`;
}

/**
 * MODEL_LICENSES.md for a model folder.
 *
 * @param autoencoder LICENSES.md of an autoencoder that was trained by itself; null if it saw the same drawings only
 */
export async function modelLicences(
  name: string,
  versions: readonly ArtVersion[],
  autoencoder: string | null = null,
): Promise<string> {
  const notices = versions.map((art) => ({ ...art, ...ART_NOTICES[art.set] }));
  const underApache = notices.some(({ licence }) => licence.startsWith('Apache'));
  const sections = [
    ...notices.map((notice) => noticeSection(notice, `${notice.package} ${notice.version}`)),
    `## Words

The vocabulary was made from names and keywords of emoji in emojibase-data
(https://github.com/milesj/emojibase):

${await textBlock('LICENSE-EMOJIBASE.txt')}`,
    ...(underApache ? [await apacheSection()] : []),
  ];
  const whole =
    autoencoder === null ? 'The weights were' : 'The weights of all parts but the autoencoder were';
  return `# Art that ${name} was trained on

${whole} trained only on pictures composed of the drawings below, and captions of the words below.

${sections.join('\n')}${autoencoder === null ? '' : `\n${autoencoder.replace(/^#/gm, '##')}`}`;
}
