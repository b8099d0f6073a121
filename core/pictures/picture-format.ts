/** @file Which format a file has, by its first bytes, before any decoder sees it. */

export interface PictureFormat {
  /** By sharp's name where Krona decodes it. */
  readonly name: string;
  /** `photo`: of photos, but no decoder is built in; `other`: of no photos. */
  readonly kind: 'decoded' | 'photo' | 'other';
}

/** In order: AVIF and HEIC share a container. SVG is not decoded on purpose: 40 kB of it can draw for minutes. */
const FORMATS: readonly (readonly [PictureFormat['kind'], string, RegExp])[] = [
  ['decoded', 'jpeg', /^\xff\xd8\xff/],
  ['decoded', 'png', /^\x89PNG\r\n\x1a\n/],
  ['decoded', 'gif', /^GIF8[79]a/],
  ['decoded', 'webp', /^RIFF[^]{4}WEBP/],
  ['decoded', 'tiff', /^(II[*+]\0|MM\0[*+])/],
  // The container's own brand, or the general one with HEIC's among those that it is compatible with.
  ['photo', 'HEIC', /^[^]{4}ftyp(?:m(?:if1|iaf|sf1)[^]{4}(?:[^]{4})*?)?he[iv][cxms]/],
  ['decoded', 'heif', /^[^]{4}ftyp(avi[fs]|mi[fa][1f]|msf1)/],
  ['photo', 'BMP', /^BM[^]{4}\0\0\0\0/],
  ['photo', 'JPEG XL', /^(\xff\x0a|\0\0\0\x0cJXL )/],
  ['photo', 'JPEG 2000', /^\0\0\0\x0cjP {2}/],
  ['other', 'SVG', /^(\xef\xbb\xbf)?\s*<(\?xml|!--|!doctype|svg)/i],
  ['other', 'PDF', /^%PDF/],
];

/** Bytes that `formatOf` looks at. */
export const HEAD_BYTES = 64;

/** Returns the format that a file starts as; null for anything unknown. */
export function formatOf(head: Uint8Array): PictureFormat | null {
  const start = Buffer.from(head.subarray(0, HEAD_BYTES)).toString('latin1');
  const [kind, name] = FORMATS.find(([, , signature]) => signature.test(start)) ?? [];
  return kind === undefined || name === undefined ? null : { kind, name };
}
