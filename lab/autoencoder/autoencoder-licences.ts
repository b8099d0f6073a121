/** @file The attribution for an autoencoder: the drawings it was trained on, with their licences. */
import { join } from 'node:path';
import { readFileIfAny } from '../../core/files.ts';
import { judgeSetNotices } from '../evaluate/judge-art.ts';
import { artSets } from '../pretrain/concepts.ts';
import { apacheSection, ART_NOTICES, noticeSection } from '../pretrain/licences.ts';
import { artPackage } from '../pretrain/sprites.ts';
import { LICENSES } from '../pretrain/autoencoder-folder.ts';

/**
 * LICENSES.md for an autoencoder's folder.
 *
 * @param photos folder of the photos that it was trained on; its own LICENSES.md, which names their owners, is included
 */
export async function autoencoderLicences(photos?: string): Promise<string> {
  const trained = artSets.map((set) => noticeSection(ART_NOTICES[set], artPackage(set)));
  return `# Drawings that the autoencoder was trained on

The weights come from the drawings below, generated drawings${photos === undefined ? '' : ', and photos'}. Besides pixels, training
compared features of nsfwjs' MobileNetV2 (MIT, https://github.com/infinitered/nsfwjs).

${trained.join('\n')}
## Other sets

The graphics were changed: rendered, scaled, turned and put on backgrounds. CC BY 4.0 is at
https://creativecommons.org/licenses/by/4.0/.

${judgeSetNotices().join('\n')}

${await photoSection(photos)}${await apacheSection()}`;
}

async function photoSection(photos: string | undefined): Promise<string> {
  if (photos === undefined) return '';
  const own = await readFileIfAny(join(photos, LICENSES));
  return `## Photos\n\n${own?.trim() ?? 'The photos have no LICENSES.md: add their owners and licences here.'}\n\n`;
}
