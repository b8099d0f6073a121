/**
 * The tests of graphs, models, adapters, training and sampling on WebGPU (`npm run test:webgpu`): on SwiftShader, or on the
 * Vulkan driver that VK_DRIVER_FILES names. In software this takes hours.
 */
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/{adapters,graph,models,sampling,training,webgpu}/**/*.test.ts'],
    // About other devices, the CPU's graphs, or the exactness of the checks themselves.
    exclude: [
      'test/graph/{check-op,cuda-operators,device,few-launches,memory,peak-memory}.test.ts',
      'test/adapters/merged-kronecker.test.ts',
      'test/{sampling,training}/out-of-memory.test.ts',
      'test/models/hub-pull.test.ts',
    ],
    setupFiles: ['test/helpers/on-webgpu.ts'],
    maxWorkers: 2,
    testTimeout: 1_800_000,
    hookTimeout: 1_800_000,
  },
});
