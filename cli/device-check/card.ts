/** @file The graphics card, as NVIDIA's driver tells it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

/**
 * Architectures that onnxruntime's CUDA provider 1.30 has code for (cuobjdump of the library). It also runs on later ones
 * of the same generation, such as 8.7 and 12.1 (CUDA C++ Programming Guide, binary compatibility).
 */
const WITH_CODE = ['7.5', '8.0', '8.6', '8.9', '9.0', '12.0'];

export interface Card {
  readonly name: string;
  readonly driver: string;
  /** Compute capability, such as 8.6. */
  readonly architecture: string;
  readonly memory: string;
  /** Why CUDA can't run on it; null if it can. */
  readonly problem: string | null;
}

/** The cards that `nvidia-smi` lists; none where it is missing. */
export async function nvidiaCards(): Promise<Card[]> {
  const query = ['--query-gpu=name,driver_version,compute_cap,memory.total', '--format=csv,noheader'];
  const answer = await promisify(execFile)('nvidia-smi', query, { timeout: 10_000 }).catch(() => null);
  return answer === null ? [] : parseCards(answer.stdout);
}

function hasCode(architecture: string): boolean {
  const [generation = '', place = ''] = architecture.split('.');
  return WITH_CODE.some((code) => {
    const [own, from] = code.split('.');
    return own === generation && Number(from) <= Number(place);
  });
}

/** @param text - lines of name, driver version, compute capability and memory */
export function parseCards(text: string): Card[] {
  return text
    .split('\n')
    .map((line) => line.split(',').map((cell) => cell.trim()))
    .filter(({ length }) => length === 4)
    .map(([name = '', driver = '', architecture = '', memory = '']) => ({
      name,
      driver,
      architecture,
      memory,
      problem: hasCode(architecture)
        ? null
        : `onnxruntime has no code for compute capability ${architecture}, only for ${WITH_CODE.join(', ')}`,
    }));
}
