/** @file Krona's own package, in a checkout or installed: its version, the runtime's and the model that it brings. */
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);
// By its own name (`exports` in package.json), as built files lie one folder deeper than sources.
const file = require.resolve('krona/package.json');

/** As `krona --version` prints it, e.g. `0.1.0`. */
export const { version } = require(file) as { readonly version: string };

/** Of onnxruntime-node, e.g. `1.30.0`, without loading it. */
export const { version: runtimeVersion } = require('onnxruntime-node/package.json') as {
  readonly version: string;
};

/** Whether Krona runs on a version of Node, as `engines` in package.json has it. */
export function runsOnNode(node = process.versions.node): boolean {
  const [major = 0, minor = 0] = node.split('.').map(Number);
  const least = ENGINES.get(major);
  return least === undefined ? major >= 24 : minor >= least;
}

/** Least minor version of the major ones that some of are too old; see `engines`. */
const ENGINES: ReadonlyMap<number, number> = new Map([
  [20, 19],
  [22, 18],
]);

/** Folder of the embedded model, absolute. */
export const embeddedModel = join(dirname(file), 'models/krona-emoji');

/** The catalogue of models. */
export const catalogueFile = join(dirname(file), 'models/catalogue.json');

/** Folder of CLIP's vocabulary, absolute. */
export const clipTokenizer = join(dirname(file), 'models/clip-tokenizer');
