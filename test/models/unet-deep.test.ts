/** A step that takes over what the lower levels gave in another (DeepCache) computes the first level alone. */
import { expect, it } from 'vitest';
import { compile } from '../../gpu-worker/graph/compile.ts';
import * as op from '../../gpu-worker/graph/ops.ts';
import { runOnce } from '../../gpu-worker/graph/runtime.ts';
import { openModelFolder } from '../../gpu-worker/models/model-folder.ts';
import { frozenParameters, parametersOf } from '../../gpu-worker/models/parameters.ts';
import { unet, unetInputs, unetOutputs } from '../../gpu-worker/models/unet.ts';
import { TINY_MODEL } from '../helpers/fixtures.ts';
import { randomInputs } from '../../cli/device-check/random-inputs.ts';

it("predicts the same as the whole step with that step's deep values, and something else with others", async () => {
  const { config, name, tensors } = (await openModelFolder(TINY_MODEL)).unet;
  const inputs = unetInputs(config, 2, 8, 6, 77);
  const parameters = frozenParameters(name, tensors);
  const whole = unetOutputs(config, parameters, inputs);
  const deep = op.input('deep', whole.deep.shape);
  const shallow = compile({ prediction: unet(config, parameters, inputs, { deep }) });

  const program = compile({ ...whole });
  const feeds = randomInputs(program);
  const first = await runOnce(program, feeds);
  const same = await runOnce(shallow, { ...feeds, deep: first['deep'] });
  expect(same['prediction']).toEqual(first['prediction']);
  const other = await runOnce(shallow, { ...feeds, ...randomInputs(shallow) });
  expect(other['prediction']).not.toEqual(first['prediction']);
});

it('reads no weight below the first level', async () => {
  const { config } = (await openModelFolder(TINY_MODEL)).unet;
  const inputs = unetInputs(config, 1, 8, 8, 77);
  const { shape } = unetOutputs(config, { tensor: (name, shape) => op.input(name, shape) }, inputs).deep;
  const asked = parametersOf((p) => unet(config, p, inputs, { deep: op.input('deep', shape) }));
  const blocks = asked.flatMap(({ name }) => /^\w+_block(s\.\d+)?/.exec(name)?.[0] ?? []);
  const last = config.block_out_channels.length - 1;
  expect([...new Set(blocks)]).toEqual(['down_blocks.0', `up_blocks.${last}`]);
});
