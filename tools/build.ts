/** @file Builds dist/ for the package: JavaScript, types, and the data files beside the sources. */
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const CLIENT = 'bot/web/client';
/** Files that the program reads at run time and the compiler doesn't copy. */
const ASSETS = [
  'storage/postgres/migrations',
  ...readdirSync(join(root, CLIENT))
    .filter((name) => name.endsWith('.css'))
    .map((name) => `${CLIENT}/${name}`),
];

rmSync(join(root, 'dist'), { recursive: true, force: true });
const tsc = join(root, 'node_modules/typescript/bin/tsc');
const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});
if (status !== 0) process.exit(status ?? 1);
for (const path of ASSETS) cpSync(join(root, path), join(root, 'dist', path), { recursive: true });
