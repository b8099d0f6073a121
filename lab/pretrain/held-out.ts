/**
 * @file Decides which (concept, background) pairs, and which concepts in another colour, are held out in every style,
 * so that pictures of them show whether the model combines them on its own. A pure function of names, the same on every
 * machine and in every version.
 */
import type { Background, Concept, PretrainData } from './concepts.ts';

/** FNV-1a over UTF-16 units with murmur3's finaliser, which mixes the low bits that `% modulus` uses. */
export function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index++) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** True for held-out pairs of a concept and a background or place: one in `data.heldOut.modulus`. */
export function isHeldOut(
  data: PretrainData,
  concept: Concept,
  background: Pick<Background, 'name'>,
): boolean {
  return hashName(`${concept.hex}|${background.name}`) % data.heldOut.modulus === 0;
}

/** True for held-out (concept, other colour) pairs. */
export function isHeldOutHue(data: PretrainData, concept: Concept, hue: string): boolean {
  return hashName(`${concept.hex}#${hue}`) % data.heldOut.modulus === 0;
}
