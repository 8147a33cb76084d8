import { assert } from "../assert.ts";

/** What leaves the node: a topic and the exact bytes. */
export interface MessageParts {
  readonly topic: string;
  /** UTF-8 JSON. */
  readonly payload: Uint8Array;
  readonly retain: boolean;
  /** How long a broker may keep it, seconds (MQTT 5); null: without end. */
  readonly expirySeconds: number | null;
}

const mint = Symbol("mint");

/**
 * A message that may leave. The broker port accepts nothing else: the compiler refuses what merely looks like one, and adapters ask
 * for the seal, which a cast does not give. There are two ways to one: `sealMessage`, which `formats` calls on a `Summary`, a status
 * or a meta, and `restoreMessage`, which the outbox calls on a row whose CRC was right. `test/tidy.test.ts` holds both to those
 * callers, and finds casts.
 */
export class Message implements MessageParts {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
  readonly expirySeconds: number | null;
  readonly #sealed = true;

  constructor(key: symbol, { topic, payload, retain, expirySeconds }: MessageParts) {
    assert(key === mint, "a message is made by formats and restored by the outbox only");
    this.topic = topic;
    this.payload = payload;
    this.retain = retain;
    this.expirySeconds = expirySeconds;
  }

  /** Whether `value` was sealed here: a look-alike object has no seal, whatever the compiler was told. */
  static isSealed(value: object): value is Message {
    return #sealed in value && value.#sealed;
  }
}

/** Only for `src/formats`. */
export const sealMessage = (parts: MessageParts): Message => new Message(mint, parts);

/** Only for outbox adapters: the row was written from a sealed message, and its CRC says it is still the same. */
export const restoreMessage = (parts: MessageParts): Message => new Message(mint, parts);
