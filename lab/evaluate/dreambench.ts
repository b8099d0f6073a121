/**
 * @file DreamBench's prompts (DreamBooth, arXiv 2208.12242; github.com/google/dreambooth,
 * dataset/prompts_and_classes.txt): 25 for objects and 25 for live subjects. `{}` stands for the subject.
 */

const PLACES = [
  'a {} in the jungle',
  'a {} in the snow',
  'a {} on the beach',
  'a {} on a cobblestone street',
  'a {} on top of pink fabric',
  'a {} on top of a wooden floor',
  'a {} with a city in the background',
  'a {} with a mountain in the background',
  'a {} with a blue house in the background',
  'a {} on top of a purple rug in a forest',
];

const PROPERTIES = ['a red {}', 'a purple {}', 'a shiny {}', 'a wet {}', 'a cube shaped {}'];

export const DREAMBENCH = {
  objects: [
    ...PLACES,
    'a {} with a wheat field in the background',
    'a {} with a tree and autumn leaves in the background',
    'a {} with the Eiffel Tower in the background',
    'a {} floating on top of water',
    'a {} floating in an ocean of milk',
    'a {} on top of green grass with sunflowers around it',
    'a {} on top of a mirror',
    'a {} on top of the sidewalk in a crowded street',
    'a {} on top of a dirt road',
    'a {} on top of a white rug',
    ...PROPERTIES,
  ],
  live: [
    ...PLACES,
    'a {} wearing a red hat',
    'a {} wearing a santa hat',
    'a {} wearing a rainbow scarf',
    'a {} wearing a black top hat and a monocle',
    'a {} in a chef outfit',
    'a {} in a firefighter outfit',
    'a {} in a police outfit',
    'a {} wearing pink glasses',
    'a {} wearing a yellow shirt',
    'a {} in a purple wizard outfit',
    ...PROPERTIES,
  ],
} as const;
