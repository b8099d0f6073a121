/** @file The lint rules that keep the rooms apart: one violation of each kind fails. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { ESLint } from 'eslint';
import tseslint from 'typescript-eslint';
import { describe, expect, it } from 'vitest';
import { documentedPackages } from '../../tools/dependency-page.js';

const ROOT = join(import.meta.dirname, '../..');
const eslint = new ESLint({
  cwd: ROOT,
  // No rule here needs types or other files, which take most of the time.
  overrideConfig: [tseslint.configs.disableTypeChecked, { rules: { 'import-x/no-cycle': 'off' } }],
});

/** @returns the names of the rules that `code` would break as the text of `path` */
async function broken(path: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code, { filePath: join(ROOT, path) });
  return (result?.messages ?? []).map(({ ruleId, message }) => ruleId ?? message);
}

const importing = (name: string): string => `export * from '${name}';\n`;

describe('a room imports only the rooms that it can', () => {
  it.each([
    ['core', 'core/prompt.ts', '../storage/sweep.ts'],
    ['storage', 'storage/sweep.ts', '../commands/index.ts'],
    ['commands', 'commands/help.ts', '../gpu-worker/graph/ops.ts'],
    ['the bot', 'bot/votes.ts', '../gpu-worker/graph/ops.ts'],
    ['the bot', 'bot/votes.ts', './web/page.ts'],
    ['a platform', 'bot/slack/text.ts', '../discord/text.ts'],
    ['graph', 'gpu-worker/graph/ops.ts', '../models/unet.ts'],
    ['graph', 'gpu-worker/graph/ops.ts', '../../lab/pretrain/sheet.ts'],
    ['models', 'gpu-worker/models/unet.ts', '../adapters/adapter.ts'],
    ['adapters', 'gpu-worker/adapters/methods.ts', '../sampling/noise.ts'],
    ['adapters', 'gpu-worker/adapters/methods.ts', '../../storage/records.ts'],
    ['sampling', 'gpu-worker/sampling/noise.ts', '../training/train.ts'],
    ['safety', 'gpu-worker/safety/unsafe-score.ts', '../sampling/noise.ts'],
    ['training', 'gpu-worker/training/loss.ts', '../../storage/records.ts'],
    ['training', 'gpu-worker/training/loss.ts', '../engine/protocol.ts'],
    ['the engine', 'gpu-worker/engine/turns.ts', '../../storage/records.ts'],
    ['jobs', 'gpu-worker/jobs/context.ts', '../../lab/pretrain/sheet.ts'],
    ['the worker', 'gpu-worker/main.ts', '../lab/pretrain/sheet.ts'],
    ['the lab', 'lab/pretrain/sheet.ts', '../../storage/records.ts'],
    ['the lab', 'lab/pretrain/sheet.ts', '../../cli/options.ts'],
    ['cli', 'cli/options.ts', '../bench/run.ts'],
    ['bench', 'bench/run.ts', '../bot/dispatch.ts'],
    ['an example', 'examples/gradient.ts', '../gpu-worker/graph/index.ts'],
    ['nobody but tests and bench', 'cli/options.ts', '../test/cli/run-krona.ts'],
  ])('not %s: %s ← %s', async (_room, path, imported) => {
    expect(await broken(path, importing(imported))).toContain('import-x/no-restricted-paths');
  });

  it.each([
    ['gpu-worker/jobs/context.ts', '../../storage/records.ts'],
    ['bot/main.ts', './web/page.ts'],
    ['lab/pretrain/sheet.ts', '../../gpu-worker/training/loss.ts'],
    ['examples/gradient.ts', 'krona/graph'],
  ])('but %s ← %s is fine', async (path, imported) => {
    expect(await broken(path, importing(imported))).toEqual([]);
  });

  it('and every folder with code is a room', async () => {
    const folders = readdirSync(ROOT, { withFileTypes: true })
      .filter(
        (entry) => entry.isDirectory() && !/^(\.|node_modules$|dist$|coverage$|data$|out$)/.test(entry.name),
      )
      .map(({ name }) => name);
    for (const folder of folders) {
      const code = readdirSync(join(ROOT, folder), { recursive: true }).find((path) =>
        /\.tsx?$/.test(String(path)),
      );
      if (code === undefined) continue;
      const path = join(ROOT, folder, String(code));
      const { rules } = (await eslint.calculateConfigForFile(path)) as { rules: object };
      expect(rules, path).toHaveProperty('no-restricted-syntax');
    }
  });
});

describe('a package is imported only where docs/dependencies.md allows it', () => {
  it.each([
    ['bot/votes.ts', 'ml-matrix'],
    ['core/prompt.ts', 'hono'],
    ['gpu-worker/models/unet.ts', 'onnxruntime-node'],
    ['gpu-worker/adapters/methods.ts', 'pbf'],
    ['bot/votes.ts', 'discord.js'],
    ['bot/discord/text.ts', '@slack/bolt/dist/App.js'],
    ['commands/help.ts', '@slack/bolt'],
    ['storage/sweep.ts', 'vitest'],
    ['core/prompt.ts', 'left-pad'],
    ['core/prompt.ts', 'fs'],
    ['core/prompt.ts', 'krona/graph'],
  ])('not %s ← %s', async (path, name) => {
    expect(await broken(path, importing(name))).toContain('no-restricted-imports');
    expect(await broken(path, `export const load = () => import('${name}');\n`)).toContain(
      'no-restricted-syntax',
    );
  });

  it.each([
    ['bot/slack/http-receiver.ts', 'hono/body-limit'],
    ['bot/discord/text.ts', 'discord.js'],
    ['core/prompt.ts', 'node:fs/promises'],
    ['core/pictures/emoji.ts', 'sharp'],
  ])('but %s ← %s is fine', async (path, name) => {
    expect(await broken(path, importing(name))).toEqual([]);
  });

  it('and the page names every package of package.json', () => {
    const installed = [...documentedPackages().keys()];
    expect(() => documentedPackages([...installed, 'left-pad'])).toThrow('Add left-pad');
    expect(() => documentedPackages(installed.slice(1))).toThrow('Remove ');
  });
});
