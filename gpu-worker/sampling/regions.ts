/**
 * @file Several adapters, each in a region of its own: the model predicts once with each, and each prediction counts in its
 * region, as Latent Couple does it with prompts. All of them see the whole picture, in a view in which their subject stands
 * where the prompt has its first one (views: Geng et al. 2023, arXiv 2311.17919).
 */
import { at } from '../../core/at.ts';
import type { Place, Region } from '../../core/prompts/split.ts';
import type { AppliedAdapter } from '../adapters/adapter-inputs.ts';

export interface RegionGroup {
  /** null: everywhere. */
  readonly place: Place | null;
  /** Its own, and those that have no place. */
  readonly adapters: readonly AppliedAdapter[];
}

/** Adapters by region, those without a place in all; one group of all where none has a place. */
export function regionGroups(adapters: readonly AppliedAdapter[]): RegionGroup[] {
  const places = new Map(
    adapters.flatMap(({ place }) => (place ? [[keyOf(place.region), place] as const] : [])),
  );
  if (places.size === 0) return [{ place: null, adapters }];
  return [...places].map(([key, place]) => ({
    place,
    adapters: adapters.filter(({ place: own }) => own === undefined || keyOf(own.region) === key),
  }));
}

const keyOf = ({ left, top, right, bottom }: Region): string => [left, top, right, bottom].join();

/** How much each region counts at each place of a picture [h,w]; at each place, all together count 1. */
export function regionShares(regions: readonly Region[], height: number, width: number): Float32Array[] {
  const inside = ({ left, top, right, bottom }: Region, i: number): number => {
    const [x, y] = [((i % width) + 0.5) / width, (Math.floor(i / width) + 0.5) / height];
    return x >= left && x < right && y >= top && y < bottom ? 1 : 0;
  };
  const places = Array.from({ length: height * width }, (_, i) => regions.map((region) => inside(region, i)));
  return regions.map((_, n) =>
    Float32Array.from(places, (each) => {
      const all = each.reduce((sum, share) => sum + share, 0);
      // Where there is no region, all count alike.
      return all === 0 ? 1 / regions.length : at(each, n) / all;
    }),
  );
}

/** Predictions [B,C,h,w], each counted by its shares [h,w]. */
export function mergedPredictions(
  predictions: readonly Float32Array[],
  shares: readonly Float32Array[],
): Float32Array {
  const [first, ...others] = predictions;
  if (first === undefined) throw new RangeError('no predictions to merge');
  if (others.length === 0) return first;
  return first.map((_, i) =>
    predictions.reduce((sum, prediction, n) => {
      const share = at(shares, n);
      return sum + at(share, i % share.length) * at(prediction, i);
    }, 0),
  );
}

/** A view of latents: rolled by so many rows and columns, what leaves on one side comes in on the other. */
export interface View {
  readonly rows: number;
  readonly columns: number;
}

const NO_VIEW: View = { rows: 0, columns: 0 };

/** The view in which a place's subject stands where its prompt has the first one. */
export function viewOf(place: Place | null, height: number, width: number): View {
  if (place?.first === undefined) return NO_VIEW;
  const { region, first } = place;
  return {
    rows: Math.round((region.top - first.region.top) * height),
    columns: Math.round((region.left - first.region.left) * width),
  };
}

export const backOf = ({ rows, columns }: View): View => ({ rows: -rows, columns: -columns });

/** Planes [...,h,w] in a view. */
export function inView(
  planes: Float32Array,
  { rows, columns }: View,
  { height, width }: { readonly height: number; readonly width: number },
): Float32Array {
  if (rows === 0 && columns === 0) return planes;
  const wrapped = (place: number, side: number): number => ((place % side) + side) % side;
  return planes.map((_, i) => {
    const [x, line] = [i % width, Math.floor(i / width)];
    const [y, plane] = [line % height, Math.floor(line / height)];
    return at(planes, (plane * height + wrapped(y + rows, height)) * width + wrapped(x + columns, width));
  });
}
