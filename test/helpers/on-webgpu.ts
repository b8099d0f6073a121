/** @file Has the tests of this process compute on WebGPU. */
import { useDevice } from '../../gpu-worker/graph/device.ts';
import { examine } from '../../gpu-worker/graph/device-trial.ts';
import { useSwiftShader } from './swiftshader.ts';

useSwiftShader();
const findings = await examine('webgpu');
if (!findings.works) throw new Error(`WebGPU does not work here: ${findings.reason}`);
useDevice('webgpu', findings.dialect);
