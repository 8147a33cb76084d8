import type { Brand } from "./brand.ts";

/** Name of a node; also its MQTT client id, topic level and certificate CN. */
export type NodeId = Brand<string, "NodeId">;
/** Name of a sensor, unique in its node. */
export type SensorId = Brand<string, "SensorId">;
/** `<sensor>.<stream>`, unique in its node. */
export type StreamId = Brand<string, "StreamId">;

/** Ids are one MQTT topic level on every broker we know of: no dot, space, slash or capital. */
export const ID_PATTERN = /^[a-z0-9][a-z0-9_-]{0,31}$/;
/** Topic levels that Stoep uses itself. */
export const RESERVED_IDS: readonly string[] = ["status", "meta", "summary"];

export const nodeId = (text: string): NodeId => text as NodeId;
export const sensorId = (text: string): SensorId => text as SensorId;
export const streamId = (sensor: SensorId, name: string): StreamId => `${sensor}.${name}` as StreamId;

/** Why `text` cannot be an id, or null when it can. */
export function idProblem(text: string): string | null {
  if (RESERVED_IDS.includes(text)) return `"${text}" is reserved (${RESERVED_IDS.join(", ")} are topic levels of Stoep itself)`;
  if (ID_PATTERN.test(text)) return null;
  return "must be 1 to 32 characters of a-z, 0-9, _ and -, starting with a letter or digit";
}
