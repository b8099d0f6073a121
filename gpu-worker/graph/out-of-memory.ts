/** @file Runs that end because the device has no memory left: onnxruntime tells it in words only. */
import { KronaError } from '../../core/errors.ts';
import { gibibytes } from './room.ts';

/**
 * What the providers say: the arena of onnxruntime (bfc_arena.cc), CUDA (`CUDA failure 2: out of memory`), cuBLAS and cuDNN,
 * Dawn and Vulkan under WebGPU, and the C++ library.
 */
const SAYINGS =
  /Failed to allocate memory|out[ _]of[ _](?:device[ _]|host[ _])?memory|STATUS_ALLOC_FAILED|std::bad_alloc/i;

/** The error of a run or an opening that ended for want of memory; null if the cause is another. */
export function outOfMemory(message: string, cause: unknown): KronaError | null {
  if (!SAYINGS.test(message)) return null;
  const [, bytes] = /buffer of size (\d+)/.exec(message) ?? [];
  const more = bytes === undefined ? '' : ` (${gibibytes(Number(bytes))} more were needed)`;
  return new KronaError(
    'OUT_OF_MEMORY',
    `The device has too little memory${more}. Use smaller pictures, or close other programs that use it.`,
    { cause },
  );
}

export const isOutOfMemory = (error: unknown): error is KronaError =>
  error instanceof KronaError && error.code === 'OUT_OF_MEMORY';
