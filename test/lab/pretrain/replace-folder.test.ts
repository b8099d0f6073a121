import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { replaceFolder } from '../../../lab/pretrain/replace-folder.ts';

let root = '';
let model: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'krona-replace-'));
  model = join(root, 'model');
  await write(model, { 'unet/weights': 'old', 'unet/old-weights': 'old', 'note.txt': 'by hand' });
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function write(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), text);
  }
}

/** Every file below a folder with its text. */
async function filesIn(folder: string): Promise<Record<string, string>> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    await Promise.all(
      files.map(async (path) => [path.slice(folder.length + 1), await readFile(path, 'utf8')] as const),
    ),
  );
}

const fill = (draft: string): Promise<void> => write(draft, { 'unet/weights': 'new', 'README.md': 'new' });

it('replaces a folder in one step, and keeps the other files in it', async () => {
  await replaceFolder(model, fill);
  const whole = { 'unet/weights': 'new', 'README.md': 'new', 'note.txt': 'by hand' };
  expect(await filesIn(root)).toEqual(
    Object.fromEntries(Object.entries(whole).map(([name, text]) => [`model/${name}`, text])),
  );
  // Where there was none, and not even a folder for it.
  await replaceFolder(join(root, 'deep', 'new'), fill);
  expect(await filesIn(join(root, 'deep'))).toEqual({ 'new/unet/weights': 'new', 'new/README.md': 'new' });
});

it('leaves the old folder unchanged when it fails, and nothing else', async () => {
  const before = await filesIn(root);
  const failing = replaceFolder(model, async (draft) => {
    await fill(draft);
    throw new Error('no more room');
  });
  await expect(failing).rejects.toThrow('no more room');
  expect(await filesIn(root)).toEqual(before);
});

it('resumes after a kill', async () => {
  // 1. while it was filled: what is half there is not taken for the model
  await write(join(root, '.model.unfinished'), { 'unet/rubbish': 'half' });
  await replaceFolder(model, fill);
  expect(Object.keys(await filesIn(root)).sort()).toEqual([
    'model/README.md',
    'model/note.txt',
    'model/unet/weights',
  ]);
  // 2. between the renames: the former is put back, and failing again keeps it
  await rename(model, join(root, '.model.former'));
  const failing = replaceFolder(model, () => Promise.reject(new Error('no more room')));
  await expect(failing).rejects.toThrow('no more room');
  expect((await filesIn(root))['model/note.txt']).toBe('by hand');
});

it("says what to do when the folder can't be created", async () => {
  await write(root, { file: '' });
  await expect(replaceFolder(join(root, 'file', 'model'), fill)).rejects.toMatchObject({
    code: 'FILE_UNWRITABLE',
  });
});
