/** What is computed on: CUDA where it is there, nothing else unasked, and a plain word where it is missing. */
import { describe, expect, it } from 'vitest';
import { chooseDevice, type Trial } from '../../gpu-worker/graph/device.ts';
import { tryDevice } from '../../gpu-worker/graph/runtime.ts';

const machineWith =
  (...present: string[]): Trial =>
  async (device) =>
    present.includes(device) ? null : 'no such card';

describe('the device', () => {
  it('is CUDA where available, without a message', async () => {
    expect(await chooseDevice(null, machineWith('cpu', 'cuda'))).toEqual({ device: 'cuda', notice: null });
  });

  it('is the CPU without CUDA, even with WebGPU, and one line says why', async () => {
    const { device, notice } = await chooseDevice(null, machineWith('cpu', 'webgpu'));
    expect(device).toBe('cpu');
    expect(notice).toMatch(/^Computing on the CPU, because CUDA is missing \(no such card\).*docs\/gpu\.md/);
    expect(notice).not.toContain('\n');
  });

  it('is the requested one, or an error', async () => {
    expect(await chooseDevice('webgpu', machineWith('cpu', 'webgpu', 'cuda'))).toEqual({
      device: 'webgpu',
      notice: null,
    });
    expect(await chooseDevice('cpu', machineWith('cpu', 'cuda'))).toEqual({ device: 'cpu', notice: null });
    await expect(chooseDevice('cuda', machineWith('cpu'))).rejects.toMatchObject({
      code: 'DEVICE_UNAVAILABLE',
      message: expect.stringMatching(/cuda.*no such card.*docs\/gpu\.md/) as string,
    });
  });
});

it('the runtime runs on the CPU, and says in one line what a device lacks', async () => {
  expect(await tryDevice('cpu')).toBeNull();
  const reason = await tryDevice('cuda');
  // Null on a machine that has it.
  if (reason !== null) expect(reason).toMatch(/^[^\n/]{10,300}$/);
});
