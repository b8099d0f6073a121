/**
 * @file Makes a custom emoji of a picture: its subject without the background, as large as fits. Discord accepts
 * 128×128 pixels in 256 KiB (https://support.discord.com/hc/en-us/articles/360036479811), Slack the same in 128 KB
 * (https://slack.com/help/articles/206870177); 128×128 pixels with transparency never take more than 66 KB.
 */
import sharp, { type Sharp } from 'sharp';
import { cutOut, withoutBackground } from './cut-out.ts';
import { visibleBox } from './visible-box.ts';

export const EMOJI_SIDE = 128;

interface Emoji {
  /** 128×128. */
  readonly png: Buffer;
  /** The background was removed; false when it has more than one colour. */
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
  const box = cut && visibleBox(info.width, info.height, (at) => cut.alpha[at] !== 0);
  if (!box) return { png: await framed(sharp(picture).ensureAlpha()), transparent: false };
  const { width, height } = rgb;
  const cutout = sharp(withoutBackground(rgb, cut), { raw: { width, height, channels: 4 } });
  return { png: await framed(cutout.extract(box)), transparent: true };
}

/** The whole picture, centred in a transparent frame. */
const framed = (picture: Sharp): Promise<Buffer> =>
  picture
    .resize(EMOJI_SIDE, EMOJI_SIDE, { fit: 'contain', background: { r: 0, g: 0, b: 0, alpha: 0 } })
    .png({ compressionLevel: 9 })
    .toBuffer();
