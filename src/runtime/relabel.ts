import { ChunkReader, ChunkWriter } from "../core/reading/record.ts";
import type { EpochMs, MonotonicMs } from "../core/units/time.ts";
import { windowStart } from "../core/window/lattice.ts";
import { type LiveChunk, type LiveStore, LiveStoreError, type StoredChunk } from "../ports/live-store.ts";

/** Chunks that are cut between two breaths. */
const SLICE_CHUNKS = 25;

/** Where readings that waited may go. */
export interface Labelling {
  readonly offsetMs: number;
  /** Whether the window is still to be released for this stream. */
  isOpen(stream: number, window: EpochMs): boolean;
  /** A reading of this chunk, of this stream and with these marks, came too late for its window. */
  late(chunk: StoredChunk, stream: number, marks: number): void;
  /** A chunk that waited does not fit with its windows, and is gone. */
  lost(chunk: StoredChunk): void;
}

/** A chunk with its windows. */
interface Cut {
  readonly labelled: readonly LiveChunk[];
  /** Index of each record that came too late. */
  readonly late: readonly number[];
}

/**
 * Readings that came while the wall clock was not trusted get their windows: each waiting chunk is cut along the lattice, with the
 * offset of this boot. Those of windows that are closed are late. Chunk by chunk: hours of them may wait. One that does not fit is dropped:
 * windows are closed, and room is made by it, only when nothing waits any more.
 */
export async function labelWaiting(live: LiveStore, labelling: Labelling, breathe: () => Promise<void>): Promise<void> {
  let chunks = 0;
  for (const stored of live.unlabelled()) {
    const { labelled, late } = cut(stored, labelling);
    if (fits(live, stored.id, labelled)) tellLate(stored, late, labelling);
    else labelling.lost(stored);
    for (const { data } of [stored, ...labelled]) data.fill(0);
    chunks++;
    if (chunks % SLICE_CHUNKS === 0) await breathe();
  }
}

/** Puts them in the place of what waited; when there is no room for them, what waited goes without. */
function fits(live: LiveStore, id: number, labelled: readonly LiveChunk[]): boolean {
  try {
    live.relabel(id, labelled);
    return true;
  } catch (error) {
    if (!(error instanceof LiveStoreError) || error.code !== "LIVE_FULL") throw error;
    live.relabel(id, []);
    return false;
  }
}

function tellLate(chunk: StoredChunk, late: readonly number[], labelling: Labelling): void {
  const reader = new ChunkReader(chunk.data);
  for (const index of late) labelling.late(chunk, reader.stream(index), reader.marks(index));
}

function cut(stored: StoredChunk, { offsetMs, isOpen }: Labelling): Cut {
  const reader = new ChunkReader(stored.data);
  const writers = new Map<EpochMs, ChunkWriter>();
  const late: number[] = [];
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
    if (!isOpen(stream, window)) late.push(index);
    else writerOf(window).add(stream, atMs, reader.value(index), ownMs, reader.cell(index), reader.marks(index));
  }
  const labelled = [...writers].map(([window, writer]) => ({
    sensitivity: stored.sensitivity,
    windowMs: stored.windowMs,
    window,
    fromMs: writer.fromMs as MonotonicMs,
    toMs: writer.toMs as MonotonicMs,
    data: writer.bytes(),
  }));
  return { labelled, late };
}
