import type { Brand } from "../units/brand.ts";

/** What leaves the node: a topic and the exact bytes. */
export interface MessageParts {
  readonly topic: string;
  /** UTF-8 JSON. */
  readonly payload: Uint8Array;
  readonly retain: boolean;
  /** How long a broker may keep it, seconds (MQTT 5); null: without end. */
  readonly expirySeconds: number | null;
}

/**
 * A message that may leave. The broker port accepts nothing else. There are two ways to one: `sealMessage`, which `formats`
 * calls on a `Summary`, a status or a meta, and `restoreMessage`, which the outbox calls on a row whose CRC was right.
 * `test/tidy.test.ts` holds both to those callers.
 */
export type Message = Brand<MessageParts, "Message">;

/** Only for `src/formats`. */
export const sealMessage = (parts: MessageParts): Message => parts as Message;

/** Only for outbox adapters: the row was written from a sealed message, and its CRC says it is still the same. */
export const restoreMessage = (parts: MessageParts): Message => parts as Message;
