/** @file Reads the table of docs/dependencies.md: which folders can import each package. */
import { readFileSync } from 'node:fs';

const read = (path) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

/**
 * @param {readonly string[]} installed the packages of package.json by default
 * @returns {Map<string, string[]>} package → folders that import it; none for tools that nothing imports
 * @throws {Error} when the page names other packages than those installed
 */
export function documentedPackages(installed = installedPackages()) {
  const documented = new Map(
    read('docs/dependencies.md')
      .split('\n')
      .filter((line) => /^\| [@a-z]/.test(line) && !line.startsWith('| package '))
      .flatMap((line) => {
        const [, packages, folders] = line.split('|');
        return list(packages).map((name) => [name, list(folders)]);
      }),
  );
  for (const name of installed)
    if (!documented.has(name))
      throw new Error(`Add ${name} to the table of docs/dependencies.md: who imports it, and why.`);
  for (const name of documented.keys())
    if (!installed.includes(name))
      throw new Error(`Remove ${name} from docs/dependencies.md: package.json lacks it.`);
  return documented;
}

function installedPackages() {
  const { dependencies, devDependencies } = JSON.parse(read('package.json'));
  const names = Object.keys({ ...dependencies, ...devDependencies });
  return names.filter((name) => !name.startsWith('@types/'));
}

function list(cell) {
  const names = cell.replace('(dev)', '').split(',');
  return names.map((name) => name.trim()).filter((name) => name !== '');
}
