import type { Kind, Sensitivity } from "../core/reading/quantity.ts";
import type { WatchEnd, WatchWants } from "./watches.ts";

// What goes over the control socket to whoever watches: one JSON object a line.

/** One channel, as the head of a watch describes it. */
export interface WatchedChannel {
  readonly name: string;
  readonly quantity: string;
  readonly kind: Kind;
  readonly unit: string;
  readonly sensitivity: Sensitivity;
  readonly states: readonly string[];
}

/** The first line. */
export interface WatchHead {
  readonly is: "head";
  readonly at: string;
  readonly node: string;
  readonly version: string;
  readonly sensor: string;
  readonly driver: string;
  /** Of the driver; `{}` where they are its defaults. */
  readonly options: unknown;
  /** What it stands on: `serial 9600 8N1`, `gpio`. Not where: a capture may be handed on. */
  readonly port: string;
  readonly wants: WatchWants;
  readonly forMs: number;
  readonly isOfPeople: boolean;
  readonly channels: readonly WatchedChannel[];
}

/** Everything that a watch tells. `at` is the node's wall clock, trusted or not. */
export type WatchLine =
  | WatchHead
  /** The sensor's state, at the beginning and when it changes. */
  | { readonly is: "state"; readonly state: string; readonly trouble: string | null }
  /** `value`: calibrated, as it goes into statistics; `note`: why it does not. */
  | { readonly is: "reading"; readonly at: string; readonly channel: string; readonly value: number | null; readonly note: string | null }
  | {
      readonly is: "passage";
      readonly at: string;
      readonly channel: string;
      readonly direction: string | null;
      readonly class: string | null;
      readonly speedKmh: number | null;
    }
  | { readonly is: "total"; readonly at: string; readonly channel: string; readonly value: number }
  | { readonly is: "fault"; readonly at: string; readonly code: string }
  /** What was not used since the watch began, by reason. */
  | { readonly is: "unused"; readonly bytes: Readonly<Record<string, number>>; readonly readings: Readonly<Record<string, number>> }
  /** An event of the port in the golden grammar, with the time since the one before. */
  | { readonly is: "event"; readonly line: string; readonly byteCount: number }
  /** What the driver said to the device, in the grammar of answers. */
  | { readonly is: "said"; readonly line: string }
  /** Edges that were lost before they reached the node. */
  | { readonly is: "lost"; readonly edges: number }
  /** Lines that the reader was too slow for: they are gone. */
  | { readonly is: "gap"; readonly lines: number; readonly byteCount: number }
  | { readonly is: "end"; readonly because: WatchEnd };
