/** @file A real Chromium: the system's where there is one, else the one that comes as a package. */
import { existsSync } from 'node:fs';
import packaged from '@sparticuz/chromium';
import { type Browser, chromium } from 'playwright-core';

const SYSTEM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Not the package's own arguments: they run all in one process, where browsers that should be apart share cookies. */
export async function launchChromium(): Promise<Browser> {
  packaged.setGraphicsMode = false;
  const executablePath = SYSTEM.find((path) => existsSync(path)) ?? (await packaged.executablePath());
  return chromium.launch({
    executablePath,
    args: ['--no-sandbox', '--disable-gpu', '--font-render-hinting=none'],
  });
}
