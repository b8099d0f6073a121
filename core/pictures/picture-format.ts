/** @file Which format a file has, by its first bytes, before any decoder sees it. */

/** Formats that Krona decodes, by sharp's names. SVG is missing on purpose: 40 kB of it can draw for minutes. */
const DECODED: readonly (readonly [string, RegExp])[] = [
  ['jpeg', /^\xff\xd8\xff/],
  ['png', /^\x89PNG\r\n\x1a\n/],
  ['gif', /^GIF8[79]a/],
  ['webp', /^RIFF[^]{4}WEBP/],
  ['tiff', /^(II[*+]\0|MM\0[*+])/],
  ['heif', /^[^]{4}ftyp(avi[fs]|mi[fa][1f]|msf1)/],
];

/** Formats that are worth naming when they are refused. */
const REFUSED: readonly (readonly [string, RegExp])[] = [
  ['HEIC', /^[^]{4}ftyp(hei[cxms]|hev[cxms])/],
  ['SVG', /^(\xef\xbb\xbf)?\s*<(\?xml|!--|!doctype|svg)/i],
  ['BMP', /^BM[^]{4}\0\0\0\0/],
  ['PDF', /^%PDF/],
];

/** Bytes that `formatOf` looks at. */
export const HEAD_BYTES = 64;

/** Returns the format that a file starts as; null for anything unknown. */
export function formatOf(head: Uint8Array): { readonly name: string; readonly decoded: boolean } | null {
  const start = Buffer.from(head.subarray(0, HEAD_BYTES)).toString('latin1');
  for (const [formats, decoded] of [
    [DECODED, true],
    [REFUSED, false],
  ] as const)
    for (const [name, signature] of formats) if (signature.test(start)) return { name, decoded };
  return null;
}
