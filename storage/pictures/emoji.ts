/**
 * @file A picture as a custom emoji: what it shows without its background, as large as the frame allows. Discord takes
 * 128×128 pixels in 256 KiB (https://support.discord.com/hc/en-us/articles/360036479811), Slack the same in 128 KB
 * (https://slack.com/help/articles/206870177); 128×128 pixels with transparency never take more than 66 KB.
 */
import sharp from 'sharp';
import { cutOut, withoutBackground } from './cut-out.ts';

export const EMOJI_SIDE = 128;

export interface Emoji {
  /** 128×128. */
  readonly png: Buffer;
  /** False where the background has more than one colour, so that it stayed. */
  readonly transparent: boolean;
}

/** @param picture a file that sharp reads */
export async function emojiOf(picture: Uint8Array): Promise<Emoji> {
  const { data, info } = await sharp(picture)
    .removeAlpha()
    .toColourspace('srgb')
    .raw()
    .toBuffer({ resolveWithObject: true });
  const rgb = { width: info.width, height: info.height, pixels: data };
  const cut = cutOut(rgb);
  const box = cut && drawnBox(cut.alpha, info.width);
  if (!box) {
    const png = await sharp(picture).resize(EMOJI_SIDE, EMOJI_SIDE).png({ compressionLevel: 9 }).toBuffer();
    return { png, transparent: false };
  }
  const { width, height } = rgb;
  const png = await sharp(withoutBackground(rgb, cut), { raw: { width, height, channels: 4 } })
    .extract(box)
    .resize(EMOJI_SIDE, EMOJI_SIDE, { fit: 'contain', background: { r: 0, g: 0, b: 0, alpha: 0 } })
    .png({ compressionLevel: 9 })
    .toBuffer();
  return { png, transparent: true };
}

/** The smallest box around everything that is not fully transparent; null when there is nothing. */
function drawnBox(
  alpha: Uint8Array,
  width: number,
): { left: number; top: number; width: number; height: number } | null {
  let [left, right, top, bottom] = [width, -1, alpha.length, -1];
  for (let at = 0; at < alpha.length; at++) {
    if (alpha[at] === 0) continue;
    const [x, y] = [at % width, Math.floor(at / width)];
    [left, right] = [Math.min(left, x), Math.max(right, x)];
    [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
  }
  return right < 0 ? null : { left, top, width: right - left + 1, height: bottom - top + 1 };
}
