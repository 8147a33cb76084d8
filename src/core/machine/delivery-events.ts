import type { Ending } from "./leave-alone.ts";

/** A row that may be sent: its place in the queue, and how long its topic and payload are together. */
export interface Sendable {
  readonly position: number;
  readonly bytes: number;
  /** What it belongs to: rows of one lane leave in order, and wait together when the broker does not let them. Absent: its own. */
  readonly lane?: string;
}

export interface DeliveryLimits {
  /** The most messages in flight, whatever the broker allows. */
  readonly inFlightMax: number;
  readonly ackTimeoutMs: number;
  /** The most messages of the queue a second; null: as fast as the broker takes them. */
  readonly perSecond: number | null;
  /** Over how long all nodes of a broker spread their first attempt after it went away; at least a second. */
  readonly spreadMs: number;
}

export type DeliveryEvent<Row extends Sendable> =
  /** Sends nothing yet: what is to be said first follows as `urgent`. */
  | { readonly type: "connected"; readonly receiveMaximum: number; readonly packetBytesMax: number | null }
  | { readonly type: "disconnected"; readonly cause: Ending }
  | { readonly type: "connectDue" }
  /** Rows of the queue, ascending: those behind the last that came, or earlier ones that are to be sent again. */
  | { readonly type: "rows"; readonly rows: readonly Row[] }
  /**
   * A row that is not of the queue and goes first. Its position is negative, and less than that of any before it, whose place it
   * takes: the broker must be left with the last. It does not outlive the connection.
   */
  | { readonly type: "urgent"; readonly row: Row }
  | { readonly type: "acknowledged"; readonly position: number; readonly reasonCode: number }
  /** The queue has no rows up to here any more. What is under way is still answered. */
  | { readonly type: "gone"; readonly upTo: number }
  /** The queue has this row no more: it could not be published. */
  | { readonly type: "absent"; readonly position: number }
  | { readonly type: "tick" };

export type DeliveryEffect<Row extends Sendable> =
  | { readonly type: "connect" }
  | { readonly type: "connectIn"; readonly delayMs: number }
  | { readonly type: "publish"; readonly row: Row }
  /** This row is done with: the broker has it, or will never take it. */
  | { readonly type: "settled"; readonly row: Row; readonly refusedWith: number | null }
  /** Not taken now. `reasonCode`: null when the broker closes instead of saying so. */
  | { readonly type: "failure"; readonly row: Row; readonly reasonCode: number | null }
  /** The limit a second is reached: a `tick` is wanted then. */
  | { readonly type: "tickIn"; readonly delayMs: number }
  /** No PUBACK in time: this connection is not to be trusted any more. */
  | { readonly type: "cut" };
