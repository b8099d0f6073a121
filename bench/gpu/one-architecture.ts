/**
 * @file Cuts a CUDA library down to the code for one kind of card: the rest becomes zeros, which compress to nothing.
 * Nothing moves, so the library stays loadable; on another card its kernels are missing.
 *
 * Layout, as cuobjdump lists it: a container of device code begins with the magic number, the version, its header's
 * length and its content's length. Each entry has a kind (1 PTX, 2 machine code), its header's length, its content's
 * length, and the architecture, such as 90.
 */
const CONTAINER = 0xba55ed50;
const MACHINE_CODE = 2;

/**
 * @param library - changed in place
 * @param architecture - 10 × compute capability, such as 90
 * @returns containers that have code for it; all others are left as they are, for the driver to translate
 */
export function keepArchitecture(library: Buffer, architecture: number): number {
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(CONTAINER);
  let kept = 0;
  for (let at = library.indexOf(magic); at >= 0; at = library.indexOf(magic, at)) {
    const [header, length] = [library.readUInt16LE(at + 6), Number(library.readBigUInt64LE(at + 8))];
    const end = at + header + length;
    if (at % 8 !== 0 || header < 16 || end > library.length) {
      at += 4;
      continue;
    }
    const entries = entriesOf(library, at + header, end);
    const wanted = (entry: Entry): boolean =>
      entry.kind === MACHINE_CODE && entry.architecture === architecture;
    if (entries.some(wanted)) {
      kept += 1;
      for (const entry of entries) if (!wanted(entry)) library.fill(0, entry.start, entry.end);
    }
    at = end;
  }
  return kept;
}

interface Entry {
  readonly kind: number;
  readonly architecture: number;
  /** Of its content. */
  readonly start: number;
  readonly end: number;
}

function entriesOf(library: Buffer, from: number, to: number): Entry[] {
  const entries: Entry[] = [];
  for (let at = from; at + 32 <= to;) {
    const start = at + library.readUInt32LE(at + 4);
    const end = start + Number(library.readBigUInt64LE(at + 8));
    if (start <= at || end > to) break;
    const architecture = library.readUInt32LE(at + 28);
    entries.push({ kind: library.readUInt16LE(at), architecture, start, end });
    at = end;
  }
  return entries;
}
