/** @file Attention as one operator, at the sizes of heads that the models have: right, and in what time. */
import { compileFunction } from '../../gpu-worker/graph/compile.ts';
import { useDevice } from '../../gpu-worker/graph/device.ts';
import { DIALECTS } from '../../gpu-worker/graph/dialect.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { relativeError } from '../../gpu-worker/graph/relative-error.ts';
import { runOnce, Session } from '../../gpu-worker/graph/runtime.ts';
import { KeyedRandom } from '../../core/random.ts';
import type { Setting } from './phases.ts';

/** Numbers of a head: SD 1.5's 40, 80 and 160, SDXL's 64, and the VAE's 512. */
const HEADS = [40, 64, 80, 160, 512];
const RUNS = 5;
/** Largest ‖found − expected‖ / ‖expected‖; float32 may be TF32. */
const LIMITS = { float32: 5e-3, float16: 2e-2 } as const;

/** @returns for each head and precision ‖found − expected‖ / ‖expected‖ beside the CPU, and seconds of each run */
export async function attentionRows({ device, small }: Setting): Promise<{ rows: object[] }> {
  const tokens = small ? 64 : 1024;
  const rows: object[] = [];
  for (const head of HEADS)
    for (const precision of ['float32', 'float16'] as const) {
      const shape = [1, tokens, 2 * head];
      const build = (on: 'cpu' | Setting['device'], width: typeof precision) =>
        compileFunction(
          { q: shape, k: shape, v: shape },
          ({ q, k, v }) => ({ y: op.attention(q, k, v, 2, head ** -0.5) }),
          { precision: width, dialect: DIALECTS[on] },
        );
      const noise = (name: string) => new KeyedRandom(0, name).normals(tokens * 2 * head);
      const feeds = { q: noise('q'), k: noise('k'), v: noise('v') };
      const expected = await runOnce(build('cpu', 'float32'), feeds, { device: 'cpu' });
      useDevice(device);
      const session = await Session.create(build(device, precision));
      const seconds: number[] = [];
      let found = expected;
      for (let i = 0; i < RUNS; i++) {
        const start = performance.now();
        found = await session.run(feeds);
        seconds.push((performance.now() - start) / 1000);
      }
      await session.release();
      const error = relativeError(found.y, expected.y);
      const limit = LIMITS[precision];
      rows.push({
        what: `attention, heads of ${head}`,
        precision,
        error,
        limit,
        ok: error <= limit,
        seconds,
      });
    }
  return { rows };
}
