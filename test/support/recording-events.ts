import type { NodeEvent, NodeEventType } from "../../src/core/events/events.ts";
import type { Events } from "../../src/ports/events.ts";

/** Keeps what was emitted. */
export class RecordingEvents implements Events {
  readonly all: NodeEvent[] = [];

  emit(event: NodeEvent): void {
    this.all.push(event);
  }

  of<T extends NodeEventType>(type: T): readonly Extract<NodeEvent, { type: T }>[] {
    return this.all.filter((event): event is Extract<NodeEvent, { type: T }> => event.type === type);
  }
}
