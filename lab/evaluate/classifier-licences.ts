/** @file What must be said beside the classifiers: whose drawings they learnt from, and under which licences. */
import { artSets } from '../pretrain/concepts.ts';
import { apacheSection, ART_NOTICES, noticeSection } from '../pretrain/licences.ts';
import { artPackage } from '../pretrain/sprites.ts';
import { judgeSetNotices } from './judge-art.ts';

/** LICENSES.md for the folder of both classifiers. */
export async function classifierLicences(): Promise<string> {
  const judges = judgeSetNotices();
  const styles = artSets.map((set) => noticeSection(ART_NOTICES[set], artPackage(set), '###'));
  return `# Drawings that the classifiers learnt from

The versions of the packages stand in the metadata of each classifier (\`sources\`). CC BY 4.0 is at
https://creativecommons.org/licenses/by/4.0/.

## concepts.safetensors

The graphics were changed: rendered, recoloured, softened and put on coloured backgrounds for training.

${judges.join('\n')}

## styles.safetensors

${styles.join('\n')}
${await apacheSection()}`;
}
