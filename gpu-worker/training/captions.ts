/**
 * @file The prompt of a photo that has its own caption. Captions name everything but the subject (place, pose, light),
 * so that the subject's token doesn't absorb it; as in kohya's trainer, they are in `photo.txt`.
 */
import { wordPattern } from '../../core/prompt.ts';

/** How prompts name the subject: `{token} {class}`, or only the token. */
export interface SubjectWords {
  readonly subjectToken: string;
  /** Class word; '' for none. */
  readonly subjectClass: string;
}

/**
 * The prompt of a caption, which always contains the subject's token: where the caption has it, before the first
 * mention of its class word, or in front.
 *
 * @example captionPrompt('a dog on grass', { subjectToken: 'sks', subjectClass: 'dog' }) // 'a sks dog on grass'
 */
export function captionPrompt(caption: string, { subjectToken, subjectClass }: SubjectWords): string {
  const mentioned = (word: string): RegExp => new RegExp(wordPattern(word), 'iu');
  if (mentioned(subjectToken).test(caption)) return caption;
  const named = `${subjectToken} ${subjectClass}`.trim();
  return subjectClass !== '' && mentioned(subjectClass).test(caption)
    ? caption.replace(mentioned(subjectClass), () => named)
    : `${named}, ${caption}`;
}
