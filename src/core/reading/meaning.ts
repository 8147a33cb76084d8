import type { StreamPlan } from "./stream.ts";

/**
 * All that decides what a reading of a stream means, and which window it is in, as canonical text: readings may lie in one window, and
 * windows in one longer window, where it is equal.
 */
export function meaningOf({ channel, sensitivity, windowMs, latenessMs, binEdges, from }: StreamPlan): string {
  return JSON.stringify({ channel, sensitivity, windowMs, latenessMs, binEdges, from }, inOrder);
}

export const sameMeaning = (a: StreamPlan, b: StreamPlan): boolean => meaningOf(a) === meaningOf(b);

/** Maps in the order of their keys. */
function inOrder(_key: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
