import type { NodeEvent } from "../core/events/events.ts";

/** Where typed events go. Never throws, never blocks. */
export interface Events {
  emit(event: NodeEvent): void;
}
