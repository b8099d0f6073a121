/** @file Generated shapes and strokes anywhere in a square. */
import type { ExampleRandom } from '../pretrain/example-random.ts';
import { bodyPath, TRAINED_BODIES, type Body } from './bodies.ts';
import { colour, many, n, paint, whole } from './svg-parts.ts';

/** Two to nine shapes at random positions, plain, shaded or outlined. */
export function drawShapes(random: ExampleRandom): string {
  return many(whole(random, 2, 9), (i) => {
    const [definition, fill] = paint(random, `s${i}`);
    const edge = random.chance(0.4)
      ? ` stroke="${colour(random, [5, 95])}" stroke-width="${n(random.between(1.5, 10))}"`
      : '';
    const [x, y, size] = [random.between(40, 216), random.between(40, 216), random.between(10, 80)];
    const turned = ` transform="rotate(${n(random.between(0, 360))} ${n(x)} ${n(y)})"`;
    const body = random.pick<Body>(TRAINED_BODIES);
    return `<defs>${definition}</defs><path d="${bodyPath(body, random, x, y, size * random.between(0.6, 1.6), size)}" fill="${fill}"${edge}${turned}/>`;
  });
}

/** Two to eight curved strokes, some dashed. */
export function drawStrokes(random: ExampleRandom): string {
  return many(whole(random, 2, 8), () => {
    const point = (): string => `${n(random.between(15, 241))} ${n(random.between(15, 241))}`;
    const dashes = random.chance(0.2)
      ? ` stroke-dasharray="${n(random.between(4, 20))} ${n(random.between(4, 16))}"`
      : '';
    return `<path d="M${point()}C${point()} ${point()} ${point()}S${point()} ${point()}" fill="none" stroke="${colour(random, [5, 95])}" stroke-width="${n(random.between(1.5, 14))}" stroke-linecap="round"${dashes}/>`;
  });
}
