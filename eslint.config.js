import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';
import { documentedPackages } from './tools/dependency-page.js';

const engineRooms = ['graph', 'models', 'adapters', 'sampling', 'safety', 'training'].map(
  (name) => `gpu-worker/${name}`,
);
const [graph, models, adapters, sampling, safety, training] = engineRooms;
const platforms = ['bot/web', 'bot/discord', 'bot/slack'];

/**
 * Each room (a folder or a file, with what lies in it) and the rooms that it may import, beside itself: everything else
 * is an error. A room before the rooms inside it, as the last rule that fits a file holds.
 */
const rooms = {
  core: [],
  storage: ['core'],
  operation: ['core', 'storage'],
  commands: ['core', 'storage'],
  bot: ['core', 'storage', 'commands'],
  ...Object.fromEntries(platforms.map((platform) => [platform, ['core', 'storage', 'commands', 'bot']])),
  'bot/main.ts': ['core', 'storage', 'operation', 'commands', 'bot', ...platforms],
  [graph]: ['core'],
  [models]: ['core', graph],
  [safety]: ['core', graph, models],
  [adapters]: ['core', graph, models],
  [sampling]: ['core', graph, models, adapters],
  [training]: ['core', graph, models, adapters, sampling, safety],
  'gpu-worker/engine': ['core', ...engineRooms],
  'gpu-worker/jobs': ['core', 'storage', models, training, 'gpu-worker/engine'],
  'gpu-worker/main.ts': ['core', 'storage', 'operation', 'gpu-worker/engine', 'gpu-worker/jobs'],
  lab: ['core', ...engineRooms],
  cli: [
    'core',
    'storage',
    'operation',
    'commands',
    'bot',
    'bot/main.ts',
    ...platforms,
    ...engineRooms,
    'gpu-worker/main.ts',
    'lab',
  ],
  // A reader of an example has the package only, by its name.
  examples: ['dist'],
  tools: ['core', 'commands'],
  // The benchmark of a crowded bot drives the test's platforms, so that both speak to the same Discord and Slack.
  // The phases of bench/gpu are those of `krona device check`. The workers of bench/workers are the real ones.
  bench: [
    ...['core', 'storage', 'bot/discord', ...engineRooms, 'gpu-worker/engine', 'gpu-worker/main.ts'],
    ...['lab', 'cli', 'commands', 'test'],
  ],
  test: [],
};

const packages = documentedPackages();

const filesOf = (room) => (room.endsWith('.ts') ? [room] : [`${room}/**/*.{ts,tsx}`]);
const lies = (inner, outer) => inner === outer || inner.startsWith(`${outer}/`);

/** Rooms inside those that `room` may import, which it may not: bot/main.ts imports bot/web, the rest of bot does not. */
function innerRooms(room, allowed) {
  return Object.keys(rooms).filter(
    (inner) => allowed.some((outer) => inner !== outer && lies(inner, outer)) && !allowed.includes(inner),
  );
}

function zonesOf(room) {
  const allowed = [room, ...rooms[room]];
  const message = `${room} may import ${rooms[room].join(', ') || 'no other room'} (eslint.config.js)`;
  return [
    { target: '.', from: '.', except: [...allowed, 'node_modules'], message },
    ...innerRooms(room, allowed).map((from) => ({ target: '.', from, message })),
  ];
}

/** Matches packages that no folder around `room` may import; built-in modules are known by `node:`. */
function foreignPackages(room) {
  const names = [...packages].flatMap(([name, folders]) =>
    folders.some((folder) => lies(room, folder)) ? [name] : [],
  );
  if (room === 'examples') names.push('krona');
  const allowed = names.map((name) => name.replaceAll('/', '\\/')).join('|');
  return `^(?!\\.{1,2}\\/|node:${allowed && `|(?:${allowed})(?:\\/|$)`})`;
}

/** Platforms spell a command as it is typed there, and know it by its marks. */
const commandMarks = [
  'Literal[value=/[^`]\\u002fkrona [a-z]/]',
  'TemplateElement[value.raw=/[^`]\\u002fkrona [a-z]/]',
].map((selector) => ({ selector, message: 'a command in a text stands between backticks' }));
const speaks = (room) => ['bot', 'commands', 'storage', 'gpu-worker'].some((folder) => lies(room, folder));

function roomConfig(room) {
  const regex = foreignPackages(room);
  const message = `docs/dependencies.md does not name ${room} for this package`;
  const free = room === 'test' || room === 'bench';
  return {
    files: filesOf(room),
    rules: {
      'import-x/no-restricted-paths': room === 'test' ? 'off' : ['error', { zones: zonesOf(room) }],
      'no-restricted-imports': free ? 'off' : ['error', { patterns: [{ regex, message }] }],
      'no-restricted-syntax': [
        'error',
        ...(free ? [] : [{ selector: `ImportExpression[source.value=/${regex}/]`, message }]),
        ...(speaks(room) ? commandMarks : []),
      ],
    },
  };
}

// Which room imports what. Everything else is oxlint's (.oxlintrc.json), which knows types.
export default [
  { ignores: ['node_modules', 'coverage', 'data', 'dist', 'out', '**/*.js', '**/*.mjs', '**/*.d.ts'] },
  {
    files: ['**/*.{ts,tsx}'],
    plugins: { 'import-x': importX },
    languageOptions: { parser: tseslint.parser },
    settings: { 'import-x/resolver': { node: { extensions: ['.ts', '.tsx', '.js'] } } },
  },
  ...Object.keys(rooms).map(roomConfig),
  {
    files: ['**/*.{ts,tsx}'],
    ignores: ['core/environment.ts', 'test/**', 'bench/**'],
    rules: {
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'env', message: 'only core/environment.ts reads process.env' },
      ],
    },
  },
];
