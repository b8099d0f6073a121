/** @file `npm run check`: the parts that package.json names check:…, side by side, as each keeps one core busy. */
import { spawn } from 'node:child_process';

const PARTS = ['types', 'rooms', 'unused', 'cycles', 'format'];

/** Runs one part and prints its name and output when it ends. @returns whether it passed */
function passes(part: string): Promise<boolean> {
  const command = `npm run --silent check:${part}`;
  const child = spawn(command, { shell: true, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (code) => {
      console.log(`${code === 0 ? 'passed' : 'FAILED'}: ${command}\n${output}`.trimEnd());
      resolve(code === 0);
    });
  });
}

const results = await Promise.all(PARTS.map(passes));
if (results.includes(false)) process.exitCode = 1;
