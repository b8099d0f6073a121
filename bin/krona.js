#!/usr/bin/env node
// The `krona` command: runs the TypeScript of a checkout, the built JavaScript of an installed package.
import { existsSync } from 'node:fs';

if (!existsSync(new URL('../cli/krona.ts', import.meta.url))) await import('../dist/cli/krona.js');
else {
  // Before 22.18, Node cannot run TypeScript itself.
  if (!process.features.typescript) (await import('tsx/esm/api')).register();
  await import('../cli/krona.ts');
}
