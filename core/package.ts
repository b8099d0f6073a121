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

/** Folder of the embedded model, absolute. */
export const embeddedModel = join(dirname(file), 'models/krona-emoji');

/** The catalogue of models. */
export const catalogueFile = join(dirname(file), 'models/catalogue.json');

/** Folder of CLIP's vocabulary, absolute. */
export const clipTokenizer = join(dirname(file), 'models/clip-tokenizer');
