/** @file The attribution for the classifiers: the drawings they were trained on, with their licences. */
import { artSets } from '../pretrain/concepts.ts';
import { apacheSection, ART_NOTICES, noticeSection } from '../pretrain/licences.ts';
import { artPackage } from '../pretrain/sprites.ts';
import { judgeSetNotices } from './judge-art.ts';

/** LICENSES.md for the folder of both classifiers. */
export async function classifierLicences(): Promise<string> {
  const judges = judgeSetNotices();
  const styles = artSets.map((set) => noticeSection(ART_NOTICES[set], artPackage(set), '###'));
  return `# Drawings that the classifiers were trained on

The metadata of each classifier (\`sources\`) lists the package versions. CC BY 4.0 is at
https://creativecommons.org/licenses/by/4.0/.

## concepts.safetensors

The graphics were changed: rendered, recoloured, softened and put on coloured backgrounds for training.

${judges.join('\n')}

## styles.safetensors

${styles.join('\n')}
${await apacheSection()}`;
}
