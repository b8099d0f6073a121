/** What is computed on: the best device that works, and a plain word where that is not the one to expect. */
import { describe, expect, it } from 'vitest';
import type { Device } from '../../core/config.ts';
import { chooseDevice, type DeviceTrials } from '../../gpu-worker/graph/device.ts';
import { examine } from '../../gpu-worker/graph/device-trial.ts';
import { DIALECTS } from '../../gpu-worker/graph/dialect.ts';

interface Machine {
  readonly present?: readonly Device[];
  readonly fast?: boolean;
  readonly remarks?: readonly string[];
}

const machine = ({ present = [], fast = true, remarks = [] }: Machine): DeviceTrials => ({
  examine: async (device) =>
    present.includes(device)
      ? { works: true, dialect: DIALECTS[device], remarks }
      : { works: false, reason: `no ${device} card` },
  isFast: async () => fast,
});

describe('the device', () => {
  it('is CUDA if it works, without a message', async () => {
    expect(await chooseDevice(null, machine({ present: ['webgpu', 'cuda'] }))).toEqual({
      device: 'cuda',
      dialect: DIALECTS.cuda,
      notice: null,
    });
  });

  it('is WebGPU without CUDA, unless it is slower than the CPU', async () => {
    expect(await chooseDevice(null, machine({ present: ['webgpu'] }))).toMatchObject({ device: 'webgpu' });
    const { device, notice } = await chooseDevice(null, machine({ present: ['webgpu'], fast: false }));
    expect(device).toBe('cpu');
    expect(notice).toMatch(/^Computing on the CPU: .*no cuda card.*WebGPU is slower.*docs\/gpu\.md/);
  });

  it('is the CPU without either, and one line says why', async () => {
    const { device, notice } = await chooseDevice(null, machine({}));
    expect(device).toBe('cpu');
    expect(notice).toMatch(/no cuda card.*no webgpu card/);
    expect(notice).not.toContain('\n');
  });

  it('is the requested one, or an error', async () => {
    expect(await chooseDevice('webgpu', machine({ present: ['webgpu', 'cuda'], fast: false }))).toMatchObject(
      {
        device: 'webgpu',
        notice: null,
      },
    );
    expect(await chooseDevice('cpu', machine({ present: ['cuda'] }))).toMatchObject({ device: 'cpu' });
    await expect(chooseDevice('cuda', machine({}))).rejects.toMatchObject({
      code: 'DEVICE_UNAVAILABLE',
      message: expect.stringMatching(/cuda.*no cuda card.*docs\/gpu\.md/) as string,
    });
  });

  it("says what it can't do as well as others", async () => {
    const remarks = ['its attention operator is not used (off by 13%)'];
    const { notice } = await chooseDevice('webgpu', machine({ present: ['webgpu'], remarks }));
    expect(notice).toBe('Computing on webgpu: its attention operator is not used (off by 13%).');
  });
});

it('the runtime computes on the CPU, and one line says what another device lacks', async () => {
  expect(await examine('cpu')).toEqual({ works: true, dialect: DIALECTS.cpu, remarks: [] });
  const findings = await examine('cuda');
  if (!findings.works) expect(findings.reason).toMatch(/^[^\n/]{10,300}$/);
});
