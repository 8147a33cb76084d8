import { ChunkReader, ChunkWriter } from "../core/reading/record.ts";
import type { EpochMs, MonotonicMs } from "../core/units/time.ts";
import { windowStart } from "../core/window/lattice.ts";
import type { LiveChunk, LiveStore, StoredChunk } from "../ports/live-store.ts";

/** Chunks that are cut between two breaths. */
const SLICE_CHUNKS = 25;

/** Where readings that waited may go. */
export interface Labelling {
  readonly offsetMs: number;
  /** Whether the window is still to be released for this stream. */
  isOpen(stream: number, window: EpochMs): boolean;
  /** A reading of this stream, with these marks, came too late for its window. */
  late(stream: number, marks: number): void;
}

/**
 * Readings that came while the wall clock was not trusted get their windows: each waiting chunk is cut along the lattice, with the
 * offset of this boot. Those of windows that are closed are late. Chunk by chunk: hours of them may wait.
 */
export async function labelWaiting(live: LiveStore, labelling: Labelling, breathe: () => Promise<void>): Promise<void> {
  let chunks = 0;
  for (const stored of live.unlabelled()) {
    const labelled = cut(stored, labelling);
    live.relabel(stored.id, labelled);
    for (const { data } of [stored, ...labelled]) data.fill(0);
    chunks++;
    if (chunks % SLICE_CHUNKS === 0) await breathe();
  }
}

function cut(stored: StoredChunk, { offsetMs, isOpen, late }: Labelling): readonly LiveChunk[] {
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
    const stream = reader.stream(index);
    const overhangMs = Math.min(coversMs - insideMs, stored.windowMs);
    const before = (window - stored.windowMs) as EpochMs;
    if (overhangMs > 0 && isOpen(stream, before)) {
      writerOf(before).add(stream, window - offsetMs, reader.value(index), overhangMs, 0, 0);
    }
    const ownMs = Math.min(coversMs, insideMs);
    if (!isOpen(stream, window)) late(stream, reader.marks(index));
    else writerOf(window).add(stream, atMs, reader.value(index), ownMs, reader.cell(index), reader.marks(index));
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
