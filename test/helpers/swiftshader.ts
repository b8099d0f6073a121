/** @file WebGPU without a card: SwiftShader, a Vulkan device in software, which comes with the packaged Chromium. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, renameSync } from 'node:fs';
import { createRequire } from 'node:module';
import { constants, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { brotliDecompressSync } from 'node:zlib';

/** dlopen's flag for a library that stays: Node closes what is not one of its modules. */
const RTLD_NODELETE = 0x1000;

/**
 * Makes SwiftShader the Vulkan device of this process, unless the environment names another (VK_DRIVER_FILES). Call before
 * the first WebGPU session.
 */
export function useSwiftShader(): void {
  if (process.env['VK_DRIVER_FILES']) return;
  const folder = unpacked();
  process.env['VK_DRIVER_FILES'] = join(folder, 'vk_swiftshader_icd.json');
  try {
    const flags = constants.dlopen.RTLD_NOW | constants.dlopen.RTLD_GLOBAL | RTLD_NODELETE;
    process.dlopen({ exports: {} }, join(folder, 'libvulkan.so.1'), flags);
  } catch (error) {
    // It is loaded, and found by its name from now on.
    if (!String(error).includes('self-register')) throw error;
  }
}

/** The environment of a process that is to find SwiftShader. */
export function swiftShaderEnvironment(): Readonly<Record<string, string>> {
  const folder = unpacked();
  return { VK_DRIVER_FILES: join(folder, 'vk_swiftshader_icd.json'), LD_LIBRARY_PATH: folder };
}

/** The folder with the libraries, unpacked once for all processes. */
function unpacked(): string {
  const chromium = dirname(createRequire(import.meta.url).resolve('@sparticuz/chromium'));
  const archive = join(chromium, '..', '..', 'bin', 'swiftshader.tar.br');
  const folder = join(tmpdir(), 'krona-swiftshader');
  if (existsSync(folder)) return folder;
  const draft = mkdtempSync(`${folder}-`);
  execFileSync('tar', ['-x', '-C', draft], { input: brotliDecompressSync(readFileSync(archive)) });
  try {
    renameSync(draft, folder);
  } catch {
    // Another process was first.
  }
  return folder;
}
