import { ChunkReader, ChunkWriter } from "../core/reading/record.ts";
import type { EpochMs, MonotonicMs } from "../core/units/time.ts";
import { windowStart } from "../core/window/lattice.ts";
import type { LiveChunk, LiveStore, StoredChunk } from "../ports/live-store.ts";

/** Chunks that are cut between two breaths. */
const SLICE_CHUNKS = 25;

/**
 * Readings that came while the wall clock was not trusted get their windows: each waiting chunk is cut along the lattice, with the
 * offset of this boot. Chunk by chunk: hours of them may wait.
 */
export async function labelWaiting(live: LiveStore, offsetMs: number, breathe: () => Promise<void>): Promise<void> {
  let chunks = 0;
  for (const stored of live.unlabelled()) {
    const labelled = cut(stored, offsetMs);
    live.relabel(stored.id, labelled);
    for (const { data } of [stored, ...labelled]) data.fill(0);
    chunks++;
    if (chunks % SLICE_CHUNKS === 0) await breathe();
  }
}

function cut(stored: StoredChunk, offsetMs: number): readonly LiveChunk[] {
  const reader = new ChunkReader(stored.data);
  const writers = new Map<EpochMs, ChunkWriter>();
  const writerOf = (window: EpochMs): ChunkWriter => {
    const known = writers.get(window);
    if (known !== undefined) return known;
    const writer = new ChunkWriter(reader.count * 2); // a record is cut in two at most
    writers.set(window, writer);
    return writer;
  };
  for (let index = 0; index < reader.count; index++) {
    const atMs = reader.atMs(index);
    const window = windowStart((atMs + offsetMs) as EpochMs, stored.windowMs);
    const insideMs = atMs + offsetMs - window;
    const coversMs = reader.coversMs(index);
    const overhangMs = Math.min(coversMs - insideMs, stored.windowMs);
    if (overhangMs > 0) {
      const before = (window - stored.windowMs) as EpochMs;
      writerOf(before).add(reader.stream(index), window - offsetMs, reader.value(index), overhangMs, 0, 0);
    }
    const ownMs = Math.min(coversMs, insideMs);
    writerOf(window).add(reader.stream(index), atMs, reader.value(index), ownMs, reader.cell(index), reader.marks(index));
  }
  return [...writers].map(([window, writer]) => ({
    sensitivity: stored.sensitivity,
    windowMs: stored.windowMs,
    window,
    fromMs: writer.fromMs as MonotonicMs,
    toMs: writer.toMs as MonotonicMs,
    data: writer.bytes(),
  }));
}
