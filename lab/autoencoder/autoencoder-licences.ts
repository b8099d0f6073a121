/** @file The attribution for an autoencoder: the drawings it was trained on, with their licences. */
import { judgeSetNotices } from '../evaluate/judge-art.ts';
import { artSets } from '../pretrain/concepts.ts';
import { apacheSection, ART_NOTICES, noticeSection } from '../pretrain/licences.ts';
import { artPackage } from '../pretrain/sprites.ts';

/** LICENSES.md for an autoencoder's folder. The owner of photos from --photos must add them. */
export async function autoencoderLicences(): Promise<string> {
  const trained = artSets.map((set) => noticeSection(ART_NOTICES[set], artPackage(set)));
  return `# Drawings that the autoencoder was trained on

The weights come from the drawings below, generated drawings, and the photos of --photos. Besides pixels, training
compared features of nsfwjs' MobileNetV2 (MIT, https://github.com/infinitered/nsfwjs).

${trained.join('\n')}
## Other sets

The graphics were changed: rendered, scaled, turned and put on backgrounds. CC BY 4.0 is at
https://creativecommons.org/licenses/by/4.0/.

${judgeSetNotices().join('\n')}

${await apacheSection()}`;
}
