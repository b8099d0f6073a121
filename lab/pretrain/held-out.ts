/**
 * @file Which (concept, background) pairs, and which concepts in another colour, are never trained in any style, so that
 * a picture of one shows what the model has put together by itself. A pure function of names, the same on every machine and for ever.
 */
import type { Background, Concept, PretrainData } from './concepts.ts';

/** FNV-1a over UTF-16 units with murmur3's finaliser, which spreads the low bits that `% modulus` looks at. */
export function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < name.length; index++) {
    hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193);
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

/** True for the pairs kept for judging: one in `data.heldOut.modulus`. */
export function isHeldOut(data: PretrainData, concept: Concept, background: Background): boolean {
  return hashName(`${concept.hex}|${background.name}`) % data.heldOut.modulus === 0;
}

/** The same for a concept in another colour than its own. */
export function isHeldOutHue(data: PretrainData, concept: Concept, hue: string): boolean {
  return hashName(`${concept.hex}#${hue}`) % data.heldOut.modulus === 0;
}
