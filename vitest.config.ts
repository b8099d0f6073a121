import { readdirSync } from 'node:fs';
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
  'jobs/loss-curve',
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

/** Without times of an earlier run, vitest begins with the largest files; the chats' are the smallest and take longest. */
class ChatsFirst extends BaseSequencer {
  override async sort(specifications: TestSpecification[]): Promise<TestSpecification[]> {
    const isChat = ({ moduleId }: TestSpecification): boolean => moduleId.includes('/test/chat/');
    const sorted = await super.sort(specifications);
    return sorted.toSorted((a, b) => Number(isChat(b)) - Number(isChat(a)));
  }
}

export default defineConfig({
  test: {
    sequence: { sequencer: ChatsFirst },
    // The machine's cores belong to the runtime's own threads: few workers, long patience, no timed assertions.
    maxWorkers: 2,
    testTimeout: 120_000,
    hookTimeout: 120_000,
    expect: { poll: { timeout: 15_000 } },
    projects: PROJECTS.map((name) => ({
      extends: true,
      test: {
        name,
        // The chats' tests wait most of their time, as for a platform's limit of one message a second.
        ...(name === 'chat' && { maxWorkers: 8, sequence: { groupOrder: 1 } }),
        include: files.filter((path) => projectOf(path) === name).map((path) => `test/${path}`),
      },
    })),
    coverage: {
      include: ['{bot,cli,commands,core,gpu-worker,lab,storage}/**/*.ts'],
      // The page's code runs in a browser, programs of their own in processes of their own.
      exclude: ['bot/web/client/**'],
      reporter: ['text-summary', 'html'],
    },
  },
});
