/** @file What must be said beside an autoencoder: whose drawings it was trained on, and under which licences. */
import { judgeSetNotices } from '../evaluate/judge-art.ts';
import { artSets } from '../pretrain/concepts.ts';
import { apacheSection, ART_NOTICES, noticeSection } from '../pretrain/licences.ts';
import { artPackage } from '../pretrain/sprites.ts';

/** LICENSES.md for the folder of an autoencoder. Photos of --photos are its owner's to add. */
export async function autoencoderLicences(): Promise<string> {
  const trained = artSets.map((set) => noticeSection(ART_NOTICES[set], artPackage(set)));
  return `# Drawings that the autoencoder was trained on

The weights were made from the drawings below, drawings made by rule, and the photos that were given. What the training
compared beside pixels are features of nsfwjs' MobileNetV2 (MIT, https://github.com/infinitered/nsfwjs).

${trained.join('\n')}
## Other sets

The graphics were changed: rendered, scaled, turned and put on backgrounds. CC BY 4.0 is at
https://creativecommons.org/licenses/by/4.0/.

${judgeSetNotices().join('\n')}

${await apacheSection()}`;
}
