/** @file A progress bar on a terminal; elsewhere a line now and then, for log files. */
import { duration, printable } from '../core/format.ts';
import type { Progress } from '../core/records.ts';

/** Where text goes: the process's streams, or a test's. */
export interface Stream {
  write(text: string): unknown;
  readonly isTTY?: boolean;
  readonly columns?: number;
}

const WIDTH = 24;
/** Redraws of a terminal are at least this far apart. */
const REDRAW_MS = 100;

export class ProgressBar {
  readonly #stream: Stream;
  #drawnAt = 0;
  #open = false;
  /** What the last plain line told: phase and tenths done. */
  #told = '';

  constructor(stream: Stream) {
    this.#stream = stream;
  }

  /** @param note what else to show, e.g. `loss 0.123` */
  show(progress: Progress, note = ''): void {
    if (this.#stream.isTTY) this.#draw(progress, note);
    else this.#tell(progress, note);
  }

  /** Writes a line above the bar. */
  log(line: string): void {
    this.#stream.write(`${this.#open ? '\r\x1b[K' : ''}${printable(line)}\n`);
    this.#open = false;
  }

  /** Leaves the bar as it stands and goes to the next line. */
  end(): void {
    if (this.#open) this.#stream.write('\n');
    this.#open = false;
  }

  #draw(progress: Progress, note: string): void {
    const now = performance.now();
    if (this.#open && progress.step < progress.steps && now - this.#drawnAt < REDRAW_MS) return;
    this.#drawnAt = now;
    const done = Math.round(fraction(progress) * WIDTH);
    const bar = '█'.repeat(done) + '░'.repeat(WIDTH - done);
    const line = `${bar} ${describe(progress, note)}`;
    this.#stream.write(`\r${line.slice(0, (this.#stream.columns || 80) - 1)}\x1b[K`);
    this.#open = true;
  }

  #tell(progress: Progress, note: string): void {
    const told = `${progress.phase} ${Math.floor(fraction(progress) * 10)}`;
    if (told === this.#told) return;
    this.#told = told;
    this.#stream.write(`${describe(progress, note)}\n`);
  }
}

function fraction({ step, steps }: Progress): number {
  return steps > 0 ? Math.min(1, step / steps) : 0;
}

function describe(progress: Progress, note: string): string {
  const { phase, step, steps, secondsLeft } = progress;
  const left = secondsLeft === null ? '' : `, ${duration(secondsLeft)} left`;
  return `${phase} ${step}/${steps}${left}${note === '' ? '' : `, ${note}`}`;
}
