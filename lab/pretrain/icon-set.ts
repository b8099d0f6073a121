/**
 * @file Reads a package of drawings in iconify's format, as SVG texts by name. Format:
 * https://iconify.design/docs/types/iconify-json.html
 */
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { KronaError } from '../../core/errors.ts';

export interface IconSet {
  /** Names of all drawings, including aliases that only rename. */
  readonly names: readonly string[];
  /** The drawing as an SVG, 256 pixels wide. */
  svg(name: string): Buffer | undefined;
}

interface IconFile {
  readonly width: number;
  readonly height: number;
  readonly icons: Record<
    string,
    { body: string; width?: number; height?: number; left?: number; top?: number } | undefined
  >;
  readonly aliases?: Record<string, { parent: string }>;
}

/** @throws KronaError PRETRAIN_ART_MISSING when the package is not installed */
export async function openIconSet(packageName: string): Promise<IconSet> {
  const file = JSON.parse(await readFile(artFile(packageName, 'icons.json'), 'utf8')) as IconFile;
  // An alias with fields besides its parent is rotated or flipped, so it is a different drawing.
  const aliases = Object.entries(file.aliases ?? {}).filter(([, alias]) => Object.keys(alias).length === 1);
  const parents = new Map(aliases.map(([name, { parent }]) => [name, parent]));
  return {
    names: [...Object.keys(file.icons), ...parents.keys()],
    svg(name) {
      const icon = file.icons[name] ?? file.icons[parents.get(name) ?? ''];
      if (!icon) return undefined;
      const width = icon.width ?? file.width;
      const height = icon.height ?? file.height;
      const box = `${icon.left ?? 0} ${icon.top ?? 0} ${width} ${height}`;
      return Buffer.from(
        `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="256" height="${Math.round((256 * height) / width)}" viewBox="${box}">${icon.body}</svg>`,
      );
    },
  };
}

/** Path of a file in an installed art package. @throws KronaError PRETRAIN_ART_MISSING */
export function artFile(packageName: string, file: string): string {
  try {
    return createRequire(import.meta.url).resolve(`${packageName}/${file}`);
  } catch (cause) {
    throw new KronaError(
      'PRETRAIN_ART_MISSING',
      `The drawings of ${packageName} aren't installed; run \`npm install\` with development packages.`,
      { cause },
    );
  }
}
