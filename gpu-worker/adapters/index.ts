/**
 * @file `krona/adapters`: Kronecker factors, LoRA and full differences, and the files that hold them.
 *
 * `readAdapter` reads every supported format, `inspectAdapter` describes a file, and `convertAdapter` writes another
 * format. `ADAPTER_METHODS` holds the trainable methods. docs/adapters.md lists the formats.
 */
export {
  openAdapter,
  readAdapter,
  type AdapterFormat,
  type OpenAdapter,
  type ReadAdapter,
} from './read-adapter.ts';
export { inspectAdapter, type AdapterReport } from './inspect.ts';
export { convertAdapter, CONVERSIONS, type Conversion, type ConvertOptions } from './convert.ts';
export { adapterBase, type AdapterBase } from './adapter-base.ts';
export { ADAPTER_METHODS, type AdapterMethod, type MethodOptions } from './methods.ts';
export type { AdapterInfo } from './adapter-info.ts';
export { modelCard } from './model-card.ts';
