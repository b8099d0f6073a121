import importX from 'eslint-plugin-import-x';
import tseslint from 'typescript-eslint';

/** Folders whose files `folder` may not import, so that imports go one way: bot → commands → storage ← gpu-worker. */
const forbidden = {
  storage: ['bot', 'commands', 'gpu-worker', 'cli'],
  commands: ['bot', 'gpu-worker', 'cli'],
  bot: ['gpu-worker', 'cli'],
  'gpu-worker': ['bot', 'commands', 'cli'],
  'gpu-worker/graph': [
    'gpu-worker/models',
    'gpu-worker/adapters',
    'gpu-worker/training',
    'gpu-worker/sampling',
    'gpu-worker/safety',
    'gpu-worker/engine',
    'gpu-worker/jobs',
  ],
  'gpu-worker/models': [
    'gpu-worker/adapters',
    'gpu-worker/training',
    'gpu-worker/sampling',
    'gpu-worker/safety',
    'gpu-worker/engine',
    'gpu-worker/jobs',
  ],
  'gpu-worker/adapters': [
    'gpu-worker/training',
    'gpu-worker/sampling',
    'gpu-worker/engine',
    'gpu-worker/jobs',
  ],
  'gpu-worker/training': ['gpu-worker/engine', 'gpu-worker/jobs'],
  'gpu-worker/sampling': ['gpu-worker/training', 'gpu-worker/engine', 'gpu-worker/jobs'],
  'gpu-worker/safety': [
    'gpu-worker/adapters',
    'gpu-worker/training',
    'gpu-worker/sampling',
    'gpu-worker/engine',
    'gpu-worker/jobs',
  ],
  'gpu-worker/engine': ['gpu-worker/jobs'],
};

/** Vendor packages and the only folder (beside test/ and bench/) that may import each of them. */
const vendors = {
  'onnxruntime-node': 'gpu-worker/graph',
  pbf: 'gpu-worker/graph',
  '@huggingface/tokenizers': 'gpu-worker/models',
  '@huggingface/hub': 'gpu-worker/models',
  valibot: 'bot',
  'nsfwjs/models/mobilenet_v2': 'gpu-worker/safety',
  bullmq: 'storage',
  ioredis: 'storage',
  pg: 'storage',
  '@electric-sql/pglite': 'storage',
  // A folder before the folders inside it: the last rule that fits a file holds.
  hono: 'bot',
  '@hono/node-server': 'bot',
  'discord.js': 'bot/discord',
  '@slack/bolt': 'bot/slack',
  preact: 'bot/web',
};

const zones = Object.entries(forbidden).flatMap(([target, froms]) =>
  froms.map((from) => ({
    target: `./${target}`,
    from: `./${from}`,
    message: `${target} must not import ${from} (ARCHITECTURE.md)`,
  })),
);

export default tseslint.config(
  { ignores: ['node_modules', 'data', 'out', 'models', '**/*.js', '**/*.mjs', '**/*.d.ts'] },
  ...tseslint.configs.recommendedTypeChecked,
  {
    plugins: { 'import-x': importX },
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    settings: {
      'import-x/resolver': { node: { extensions: ['.ts', '.tsx', '.js'] } },
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts', '.tsx'] },
    },
    rules: {
      'import-x/no-restricted-paths': ['error', { zones }],
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      'no-restricted-imports': [
        'error',
        {
          paths: Object.keys(vendors).map((name) => ({
            name,
            message: `only ${vendors[name]} imports ${name}`,
          })),
        },
      ],
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
    },
  },
  {
    files: ['bot/**/*.{ts,tsx}', 'commands/**/*.ts', 'gpu-worker/**/*.ts', 'storage/**/*.ts'],
    rules: {
      // Platforms spell a command as it is typed there, and know it by its marks.
      'no-restricted-syntax': [
        'error',
        ...[
          'Literal[value=/[^`]\\u002fkrona [a-z]/]',
          'TemplateElement[value.raw=/[^`]\\u002fkrona [a-z]/]',
        ].map((selector) => ({ selector, message: 'a command in a text stands between backticks' })),
      ],
    },
  },
  ...Object.entries(vendors).map(([name, folder]) => ({
    // Each folder may import its own vendors and, as the one rule replaces the other, no other folder's.
    files: [`${folder}/**/*.{ts,tsx}`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          paths: Object.keys(vendors)
            .filter((other) => !(folder === vendors[other] || folder.startsWith(`${vendors[other]}/`)))
            .map((other) => ({ name: other, message: `only ${vendors[other]} imports ${other}` })),
        },
      ],
    },
  })),
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
  { files: ['test/**/*.ts', 'bench/**/*.ts'], rules: { 'no-restricted-imports': 'off' } },
);
