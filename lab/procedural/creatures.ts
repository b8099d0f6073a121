/**
 * @file Made-up creatures whose traits can be said: colour, number of eyes, mood and hat. A model that knows them learns
 * members' mascots more easily.
 */
import { at } from '../../core/at.ts';
import { ExampleRandom } from '../pretrain/example-random.ts';
import { bodyPath, TRAINED_BODIES } from './bodies.ts';
import { drawEyes, drawHat, HATS } from './faces.ts';
import { colour, many, n, whole } from './svg-parts.ts';

/** Names, and the middle and width of their hues in degrees with saturation and lightness in percent. */
const COLOURS = {
  red: [358, 8, 78, 52],
  orange: [28, 7, 90, 55],
  yellow: [50, 6, 92, 58],
  green: [120, 25, 55, 45],
  blue: [215, 14, 75, 52],
  purple: [275, 12, 55, 52],
  pink: [330, 10, 80, 72],
  brown: [24, 6, 45, 36],
  gray: [210, 20, 6, 55],
} as const;
export type CreatureColour = keyof typeof COLOURS;
export const CREATURE_COLOURS = Object.keys(COLOURS) as readonly CreatureColour[];

export const MOODS = ['happy', 'sad', 'surprised', 'angry'] as const;
export type Mood = (typeof MOODS)[number];

export interface Creature {
  readonly colour: CreatureColour;
  /** 1 to 4. */
  readonly eyes: number;
  readonly mood: Mood;
  readonly hat: (typeof HATS)[number] | null;
  /** 256×256 pixels, transparent around the creature. */
  readonly svg: string;
}

/** Creature number `index` of `seed` is always the same. */
export function creature(seed: number, index: number): Creature {
  const random = new ExampleRandom(seed, index);
  const name = random.pick(CREATURE_COLOURS);
  const eyes = whole(random, 1, 4);
  const mood = random.pick(MOODS);
  const hat = random.chance(0.5) ? random.pick(HATS) : null;
  return { colour: name, eyes, mood, hat, svg: drawCreature(random, { colour: name, eyes, mood, hat }) };
}

function drawCreature(random: ExampleRandom, traits: Omit<Creature, 'svg'>): string {
  const [hue, spread, saturation, light] = COLOURS[traits.colour];
  const shade = (by: number): string =>
    `hsl(${n(hue + random.between(-spread, spread))} ${n(saturation)}% ${n(Math.min(92, light + by + random.between(-6, 6)))}%)`;
  const [fill, dark] = [shade(0), shade(-20)];
  const [x, y, width, height] = [128, 152, random.between(130, 180), random.between(115, 155)];
  const stroke = random.chance(0.5) ? ` stroke="${dark}" stroke-width="${n(random.between(3, 7))}"` : '';
  const body = `<path d="${bodyPath(random.pick(TRAINED_BODIES), random, x, y, width, height)}" fill="${fill}"${stroke}/>`;
  const limbs = random.chance(0.7) ? drawLimbs(random, x, y, width, height, dark) : '';
  const spots = random.chance(0.3)
    ? many(
        whole(random, 3, 6),
        () =>
          `<circle cx="${n(x + random.between(-0.32, 0.32) * width)}" cy="${n(y + random.between(0.2, 0.38) * height)}" r="${n(random.between(4, 9))}" fill="${dark}"/>`,
      )
    : '';
  const horns = !traits.hat && random.chance(0.4) ? drawHorns(random, x, y - height * 0.42, width) : '';
  const face =
    drawEyes(random, traits.eyes, x, y - height * 0.12, width * 0.85) +
    drawMood(traits.mood, x, y + height * 0.2, width * random.between(0.28, 0.42));
  const hat = traits.hat ? drawHat(random, x, y - height * 0.42, width * 0.65, traits.hat) : '';
  return `<svg xmlns="http://www.w3.org/2000/svg" width="256" height="256" viewBox="0 0 256 256">${limbs}${horns}${body}${spots}${face}${hat}</svg>`;
}

function drawLimbs(
  random: ExampleRandom,
  x: number,
  y: number,
  width: number,
  height: number,
  ink: string,
): string {
  const lift = random.between(-40, 40);
  const arm = (side: 1 | -1): string =>
    `M${n(x + side * width * 0.42)} ${n(y)}Q${n(x + side * width * 0.62)} ${n(y + 10)} ${n(x + side * width * 0.64)} ${n(y - lift)}`;
  const leg = (side: 1 | -1): string =>
    `M${n(x + side * width * 0.2)} ${n(y + height * 0.4)}v${n(height * 0.26)}`;
  return `<path d="${arm(-1)}${arm(1)}${leg(-1)}${leg(1)}" fill="none" stroke="${ink}" stroke-width="${n(random.between(8, 15))}" stroke-linecap="round"/>`;
}

function drawHorns(random: ExampleRandom, x: number, y: number, width: number): string {
  const ink = colour(random, [40, 85]);
  const antennae = random.chance(0.5);
  return many(2, (i) => {
    const side = i === 0 ? -1 : 1;
    const [from, to] = [x + side * width * 0.22, x + side * width * 0.32];
    return antennae
      ? `<path d="M${n(from)} ${n(y + 10)}L${n(to)} ${n(y - 34)}" stroke="${ink}" stroke-width="5"/><circle cx="${n(to)}" cy="${n(y - 36)}" r="9" fill="${ink}"/>`
      : `<path d="M${n(from - 13)} ${n(y + 14)}L${n(to)} ${n(y - 32)}L${n(from + 13)} ${n(y + 14)}Z" fill="${ink}"/>`;
  });
}

/** A mouth, and brows where the mood needs them. */
function drawMood(mood: Mood, x: number, y: number, width: number): string {
  const [left, right, ink] = [x - width / 2, x + width / 2, '#3a1620'];
  switch (mood) {
    case 'happy':
      return `<path d="M${n(left)} ${n(y - 4)}Q${n(x)} ${n(y + width * 0.65)} ${n(right)} ${n(y - 4)}Z" fill="${ink}"/><ellipse cx="${n(x)}" cy="${n(y + width * 0.2)}" rx="${n(width * 0.2)}" ry="${n(width * 0.08)}" fill="#e8596b"/>`;
    case 'sad':
      return `<path d="M${n(left)} ${n(y + 12)}Q${n(x)} ${n(y - width * 0.4)} ${n(right)} ${n(y + 12)}" fill="none" stroke="${ink}" stroke-width="7" stroke-linecap="round"/>`;
    case 'surprised':
      return `<ellipse cx="${n(x)}" cy="${n(y + 4)}" rx="${n(width * 0.22)}" ry="${n(width * 0.28)}" fill="${ink}"/>`;
    case 'angry':
      return `<rect x="${n(left)}" y="${n(y - 4)}" width="${n(width)}" height="${n(width * 0.3)}" rx="5" fill="#fff" stroke="${ink}" stroke-width="5"/>${many(3, (i) => `<path d="M${n(at([0.25, 0.5, 0.75], i) * width + left)} ${n(y - 4)}v${n(width * 0.3)}" stroke="${ink}" stroke-width="3"/>`)}`;
  }
}
