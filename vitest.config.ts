import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Folders whose tests start no service, browser or other process: together under a minute. */
const UNIT_FOLDERS = ['adapters', 'commands', 'core', 'graph', 'models', 'safety', 'sampling'];
/** Single files of other folders that are like them, and slow ones of these folders that are not. */
const MORE_UNITS = [
  'bot/completion',
  'bot/discord-render',
  'bot/slack-blocks',
  'cli/graph',
  'cli/slack',
  'jobs/carry-out',
  'jobs/hand-over',
  'jobs/loss-curve',
  'jobs/station',
  'storage/blobs',
  'storage/links',
  'training/krona',
  'training/loss-scale',
  'training/noise-schedule',
  'training/photos',
  'training/train-options',
];
const SLOW = [
  'adapters/exchange',
  'commands/conversation',
  'graph/cuda-operators',
  'graph/few-launches',
  'graph/half-precision',
  'graph/memory',
  'graph/peak-memory',
  'models/forms',
  'models/full-size',
  'models/hub-pull',
  'sampling/pipelines',
];

const files = readdirSync('test', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.test.ts'))
  .map((path) => path.replaceAll('\\', '/'));

const PROJECTS = ['units', 'system', 'lab', 'package', 'chat'] as const;

function projectOf(path: string): (typeof PROJECTS)[number] {
  const name = path.replace('.test.ts', '');
  const folder = name.slice(0, name.indexOf('/'));
  if (folder === 'lab' || folder === 'package') return folder;
  if (MORE_UNITS.includes(name) || (UNIT_FOLDERS.includes(folder) && !SLOW.includes(name))) return 'units';
  return folder === 'bot' || folder === 'chat' ? 'chat' : 'system';
}

/** Files that take long, as names or folders. They begin first, so that none is left for the end. */
const LONG = [
  'chat/',
  'cli/device-check',
  'cli/services',
  'jobs/refine',
  'jobs/worker',
  'lab/evaluate/compare-methods',
  'package/package',
  'training/best-checkpoint',
  'training/sweep',
  'webgpu/programs',
];
const isLong = ({ moduleId }: TestSpecification): boolean =>
  LONG.some((name) => moduleId.includes(`/test/${name}`));

/**
 * The chats' tests wait most of their time, as for a platform's limit of one message a second. They are spread among the
 * files that compute, so that some of each kind run at any time, and end a little earlier.
 */
class Mixed extends BaseSequencer {
  override async sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
    // The longest first as an earlier run measured, else the largest.
    const sorted = (await super.sort(specifications)).toSorted(
      (a, b) => Number(isLong(b)) - Number(isLong(a)),
    );
    const ofChats = sorted.filter(({ project }) => project.name === 'chat');
    const others = sorted.filter(({ project }) => project.name !== 'chat');
    return [...spread(ofChats, 0.8), ...spread(others, 1)]
      .toSorted(([, a], [, b]) => a - b)
      .map(([specification]) => specification);
  }
}

/** Places at equal distances from 0 to `end`. */
const spread = (specifications: readonly TestSpecification[], end: number) =>
  specifications.map((each, n) => [each, (end * n) / specifications.length] as const);

export default defineConfig({
  test: {
    sequence: { sequencer: Mixed },
    // Threads of the runtime that share their cores with other files waste them by spinning.
    // The files compile the same programs of the tiny models, so they share what is kept of them.
    env: { KRONA_THREADS: '1', KRONA_FORMS: join(tmpdir(), 'krona-test-forms') },
    // Four for each core of a small machine, as many always wait. Long patience, no timed assertions.
    maxWorkers: 8,
    testTimeout: 300_000,
    hookTimeout: 300_000,
    expect: { poll: { timeout: 15_000 } },
    projects: PROJECTS.map((name) => ({
      extends: true,
      test: {
        name,
        include: files.filter((path) => projectOf(path) === name).map((path) => `test/${path}`),
        // They leave nothing behind, so that the next file can use the modules that are read.
        ...(name === 'units' && { isolate: false }),
        // Many processes share few cores: what fails once more when it is tried again is no matter of time. The report tells
        // of each test that needed it.
        ...((name === 'chat' || name === 'system') && {
          globalSetup: 'test/helpers/postgres-server.ts',
          retry: 1,
        }),
      },
    })),
    coverage: {
      include: ['{bot,cli,commands,core,gpu-worker,lab,operation,storage}/**/*.ts'],
      // The page's code runs in a browser, programs of their own in processes of their own.
      exclude: ['bot/web/client/**'],
      reporter: ['text-summary', 'html'],
    },
  },
});
