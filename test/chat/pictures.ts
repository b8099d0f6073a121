/** @file What members give and the played worker draws, of as few bytes as tell them apart. */
import { sprite } from '../bot/world.ts';
import type { TestPhoto } from './driver.ts';

const COLOURS = ['#cfe3f7', '#f7e2b8', '#d9f0d0', '#f3d3dd'];

/** Photos of one thing, one on each colour, that differ enough. */
export const photosOf = (name: string, colours: readonly string[] = COLOURS): Promise<TestPhoto[]> =>
  Promise.all(
    colours.map(async (colour, n) => ({
      name: `${name}-${n + 1}.png`,
      bytes: await sprite('cat-face', colour, 300, 15 * n),
    })),
  );

/** @param turn - degrees, for pictures that no other set has */
export const drawings = (count: number, turn = 0): Promise<Buffer[]> =>
  Promise.all(COLOURS.slice(0, count).map((colour) => sprite('fox', colour, 128, turn)));
