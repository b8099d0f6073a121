/**
 * @file `krona/adapters`: Kronecker factors, LoRA and full differences, and the files that hold them.
 *
 * `readAdapter` reads every supported format, `inspectAdapter` describes a file, and `convertAdapter` writes another
 * format. `ADAPTER_METHODS` holds the trainable methods. docs/adapters.md lists the formats.
 */
export { openAdapter, type AdapterFormat, type OpenAdapter } from './files/open-adapter.ts';
export { readAdapter, type ReadAdapter } from './files/read-adapter.ts';
export { inspectAdapter, type AdapterReport } from './files/inspect.ts';
export { convertAdapter, CONVERSIONS, type Conversion, type ConvertOptions } from './files/convert.ts';
export { adapterBase, type AdapterBase } from './files/adapter-base.ts';
export { ADAPTER_METHODS, type AdapterMethod, type MethodOptions } from './methods.ts';
export type { AdapterInfo } from './files/adapter-info.ts';
export { modelCard } from './model-card.ts';
