import type { Message } from "../core/anonymise/message.ts";
import type { Sendable } from "../core/machine/delivery-events.ts";
import { isSummary, type OutboxRow } from "../ports/outbox.ts";

/** A row on its way to the broker. */
export interface Outgoing extends Sendable {
  /** Null: it has to wait, perhaps for days, and is read again when its turn comes. */
  message: Message | null;
  readonly seq: number | null;
  /** Of a meta: which it is. */
  readonly metaTopic: string | null;
}

/** Rows of one sensor leave in order, its meta before its summaries: `…/sensor/meta`, `…/sensor/stream/summary`. */
export function laneOf(topic: string): string {
  const above = (below: string): string => below.slice(0, Math.max(0, below.lastIndexOf("/")));
  return isSummary({ topic }) ? above(above(topic)) : above(topic);
}

/** The row as it may be sent. */
export function outgoing({ position, seq, message }: OutboxRow): Outgoing {
  const { topic, payload } = message;
  const bytes = topic.length + payload.length;
  return { position, seq, message, bytes, lane: laneOf(topic), metaTopic: isSummary(message) ? null : topic };
}
