import { closeSync, openSync, readFileSync, readSync } from "node:fs";

/** A region is read in pieces of this size, which overlap by more than any needle is long. */
const PIECE_BYTES = 64 * 1024 * 1024;
const OVERLAP_BYTES = 256;

interface Region {
  readonly from: bigint;
  readonly bytes: number;
}

/** The regions of a process that a core would hold because it can write to them (core(5), coredump_filter). */
function writableRegions(pid: number): readonly Region[] {
  const lines = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n");
  return lines.flatMap((line) => {
    const match = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line);
    if (match === null) return [];
    const [from, to] = [BigInt(`0x${match[1]}`), BigInt(`0x${match[2]}`)];
    return [{ from, bytes: Number(to - from) }];
  });
}

/**
 * Which of these stand anywhere in the memory of a process: alive, freed and not overwritten, in V8 or in native code. What a core dump
 * would hold, without making one. The process must be a child of this one, or this one root.
 */
export function inMemoryOf(pid: number, needles: ReadonlyMap<string, Buffer>): readonly string[] {
  const found = new Set<string>();
  const memory = openSync(`/proc/${pid}/mem`, "r");
  const piece = Buffer.allocUnsafe(PIECE_BYTES);
  try {
    for (const { from, bytes } of writableRegions(pid)) {
      for (let at = 0; at < bytes; at += PIECE_BYTES - OVERLAP_BYTES) {
        const length = readPiece(memory, piece, from + BigInt(at), Math.min(PIECE_BYTES, bytes - at));
        for (const [name, needle] of needles) if (piece.subarray(0, length).includes(needle)) found.add(name);
      }
    }
  } finally {
    closeSync(memory);
  }
  return [...found];
}

function readPiece(memory: number, piece: Buffer, at: bigint, length: number): number {
  try {
    return readSync(memory, piece, 0, length, at);
  } catch (error) {
    // Gone since the list was read, or never backed by anything.
    if (["EIO", "EFAULT"].includes((error as NodeJS.ErrnoException).code ?? "")) return 0;
    throw error;
  }
}
