/** Why a framer gave up bytes. */
export type FramingFault = "noise" | "checksum" | "length" | "overflow" | "stale";

/** Who receives what a framer finds. */
export interface FrameSink {
  /**
   * One whole frame: `bytes[start .. start + length)`. The array belongs to the framer and is only valid during the call:
   * read from it, never keep it.
   */
  frame(bytes: Uint8Array, start: number, length: number): void;
  discard(reason: FramingFault, byteCount: number): void;
}

/** Cuts a stream of bytes into frames. Every byte pushed ends in a frame, in a discard, or is still pending. */
export interface Framer {
  push(data: Uint8Array, sink: FrameSink): void;
  /** Gives up what is pending, as `stale`: the port was closed. */
  reset(sink: FrameSink): void;
  /** Bytes held back until more arrive; bounded by the framer's longest frame. */
  readonly pendingBytes: number;
}
