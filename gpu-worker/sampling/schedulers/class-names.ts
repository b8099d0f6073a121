/** @file diffusers' classes of the schedulers that are built, as scheduler_config.json names them. */
import type { SchedulerName } from '../../../core/settings/choices.ts';

export const CLASS_NAMES = {
  ddim: 'DDIMScheduler',
  ddpm: 'DDPMScheduler',
  euler: 'EulerDiscreteScheduler',
  euler_trailing: 'EulerDiscreteScheduler',
  euler_a: 'EulerAncestralDiscreteScheduler',
  heun: 'HeunDiscreteScheduler',
  lms: 'LMSDiscreteScheduler',
  lms_karras: 'LMSDiscreteScheduler',
  kdpm2: 'KDPM2DiscreteScheduler',
  kdpm2_a: 'KDPM2AncestralDiscreteScheduler',
  dpmpp_2m: 'DPMSolverMultistepScheduler',
  dpmpp_2m_karras: 'DPMSolverMultistepScheduler',
  dpmpp_2m_sde: 'DPMSolverMultistepScheduler',
  dpmpp_2m_sde_karras: 'DPMSolverMultistepScheduler',
  dpmpp_3m: 'DPMSolverMultistepScheduler',
  dpmpp_3m_sde: 'DPMSolverMultistepScheduler',
  dpmpp_2s: 'DPMSolverSinglestepScheduler',
  dpmpp_sde: 'DPMSolverSDEScheduler',
  dpmpp_sde_karras: 'DPMSolverSDEScheduler',
  deis: 'DEISMultistepScheduler',
  unipc: 'UniPCMultistepScheduler',
  pndm: 'PNDMScheduler',
  lcm: 'LCMScheduler',
  tcd: 'TCDScheduler',
} as const satisfies { readonly [Name in SchedulerName]: string };

export const isBuilt = (className: unknown): boolean =>
  Object.values<unknown>(CLASS_NAMES).includes(className);
