/**
 * @file Makes a custom emoji of a picture: its subject without the background, as large as fits. Discord accepts
 * 128×128 pixels in 256 KiB (https://support.discord.com/hc/en-us/articles/360036479811), Slack the same in 128 KB
 * (https://slack.com/help/articles/206870177); 128×128 pixels with transparency never take more than 66 KB.
 */
import type { Sharp } from 'sharp';
import { cutOut, withoutBackground } from './cut-out.ts';
import { fromPixels } from './encode.ts';
import { Picture } from './picture.ts';
import { visibleBox } from './visible-box.ts';

export const EMOJI_SIDE = 128;
/** Longest side of what the subject is cut out of, pixels: the cut takes the bot's own time, which others wait for. */
const CUT_SIDE = 4 * EMOJI_SIDE;

interface Emoji {
  /** 128×128. */
  readonly png: Buffer;
  /** The background was removed; false when it has more than one colour. */
  readonly transparent: boolean;
}

/** @param bytes of a picture's file @throws KronaError as `Picture` */
export async function emojiOf(bytes: Uint8Array): Promise<Emoji> {
  const picture = await Picture.open(bytes, 'The picture');
  const { data, info } = await picture.render((image) =>
    image
      .resize(CUT_SIDE, CUT_SIDE, { fit: 'inside', withoutEnlargement: true })
      .removeAlpha()
      .toColourspace('srgb')
      .raw(),
  );
  const rgb = { width: info.width, height: info.height, pixels: data };
  const cut = cutOut(rgb);
  const box = cut && visibleBox(info.width, info.height, (at) => cut.alpha[at] !== 0);
  if (!box)
    return {
      png: (await picture.render((image) => framed(image.ensureAlpha()))).data,
      transparent: false,
    };
  const { width, height } = rgb;
  const cutout = fromPixels(withoutBackground(rgb, cut), { width, height, channels: 4 });
  return { png: await framed(cutout.extract(box)).toBuffer(), transparent: true };
}

/** The whole picture, centred in a transparent frame. */
const framed = (picture: Sharp): Sharp =>
  picture
    .resize(EMOJI_SIDE, EMOJI_SIDE, { fit: 'contain', background: { r: 0, g: 0, b: 0, alpha: 0 } })
    .png({ compressionLevel: 9 });
