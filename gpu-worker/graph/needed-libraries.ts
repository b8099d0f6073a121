/** @file The shared libraries that a Linux library asks for: the NEEDED entries of its dynamic section. */
import { closeSync, openSync, readSync } from 'node:fs';

/** ELF-64 (System V ABI, chapters 4 and 5): type of a dynamic section, and tag of a needed library. */
const SHT_DYNAMIC = 6;
const DT_NEEDED = 1n;
/** Bytes of the file's header, and of a section's. */
const HEADER = 64;

/**
 * @param path - a 64-bit little-endian ELF file
 * @returns names such as `libcublas.so.13`, in the file's order; none for another kind of file
 */
export function neededLibraries(path: string): string[] {
  const file = openSync(path, 'r');
  try {
    const read = (offset: number | bigint, length: number): Buffer => {
      const bytes = Buffer.alloc(length);
      readSync(file, bytes, 0, length, Number(offset));
      return bytes;
    };
    const header = read(0, HEADER);
    if (header.toString('latin1', 0, 6) !== '\x7fELF\x02\x01') return [];
    const table = read(header.readBigUInt64LE(40), HEADER * header.readUInt16LE(60));
    const sections = Array.from({ length: table.length / HEADER }, (_, i) => {
      const section = table.subarray(i * HEADER, (i + 1) * HEADER);
      return {
        type: section.readUInt32LE(4),
        offset: section.readBigUInt64LE(24),
        length: Number(section.readBigUInt64LE(32)),
        link: section.readUInt32LE(40),
      };
    });
    const dynamic = sections.find(({ type }) => type === SHT_DYNAMIC);
    const names = dynamic && sections[dynamic.link];
    if (!dynamic || !names) return [];
    const entries = read(dynamic.offset, dynamic.length);
    const texts = read(names.offset, names.length);
    const needed: string[] = [];
    for (let at = 0; at + 16 <= entries.length; at += 16) {
      if (entries.readBigUInt64LE(at) !== DT_NEEDED) continue;
      const start = Number(entries.readBigUInt64LE(at + 8));
      needed.push(texts.toString('latin1', start, texts.indexOf(0, start)));
    }
    return needed;
  } finally {
    closeSync(file);
  }
}
