/** Longest "remaining length" field (MQTT 5 §1.5.5 and MQTT 3.1.1 §2.2.3). */
const LENGTH_FIELD_BYTES_MAX = 4;

/**
 * First bytes (type and flags) that a broker may send to a client that only publishes at QoS 1: CONNACK, PUBACK, PINGRESP,
 * DISCONNECT, and PUBLISH at QoS 0 and 1 with any RETAIN and DUP. We subscribe to nothing, but brokers can be configured to
 * subscribe clients on their own, so such a PUBLISH is let through and ignored. QoS 2 would make the client keep state: refused.
 */
const ALLOWED_FIRST_BYTES: ReadonlySet<number> = new Set([0x20, 0x40, 0xd0, 0xe0, 0x30, 0x31, 0x38, 0x39, 0x32, 0x33, 0x3a, 0x3b]);

/** Reasons that a PUBACK may have (MQTT 5 §3.4.2.1): at any other MQTT.js stops reading, on a connection that stays open. */
const PUBACK_REASONS: ReadonlySet<number> = new Set([0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99]);
const PUBACK = 0x40;
/** Packet identifier and reason, at the start of a PUBACK. */
const PUBACK_BYTES = 3;

/**
 * Reads the fixed headers of what a broker sends, to say "too much" before anybody buffers it: MQTT.js collects a packet whole, however
 * long it says that it is. Of a PUBACK it also reads which message it is about, and tells when its reason is one that MQTT.js cannot
 * stand. Holds a few numbers, never bytes.
 */
export class InboundGuard {
  readonly #packetBytesMax: number;
  /** Bytes of the fixed header read so far; 0: the next byte is the first of a packet. */
  #headerBytes = 0;
  #remainingLength = 0;
  #bodyBytesLeft = 0;
  readonly #onOddPuback: (messageId: number, reasonCode: number) => void;
  /** Bytes of a PUBACK that are still to be read; they end up in one number, the last one lowest. */
  #pubackBytesLeft = 0;
  #pubackBytes = 0;
  #firstByte = 0;

  /** `packetBytesMax`: the longest packet that may arrive, its fixed header included. `onOddPuback`: called from within `check`. */
  constructor(packetBytesMax: number, onOddPuback: (messageId: number, reasonCode: number) => void = () => {}) {
    this.#packetBytesMax = packetBytesMax;
    this.#onOddPuback = onOddPuback;
  }

  /** What is wrong with the stream, now that `chunk` has arrived, or null. After a complaint the stream cannot be read on. */
  check(chunk: Uint8Array): string | null {
    let at = 0;
    while (at < chunk.length) {
      while (this.#pubackBytesLeft > 0 && at < chunk.length) this.#pubackByte(chunk[at++] as number);
      const skipped = Math.min(this.#bodyBytesLeft, chunk.length - at);
      this.#bodyBytesLeft -= skipped;
      at += skipped;
      const byte = chunk[at];
      if (byte === undefined) break;
      at += 1;
      const problem = this.#headerByte(byte);
      if (problem !== null) return problem;
    }
    return null;
  }

  #pubackByte(byte: number): void {
    this.#pubackBytes = this.#pubackBytes * 256 + byte;
    this.#pubackBytesLeft -= 1;
    this.#bodyBytesLeft -= 1;
    if (this.#pubackBytesLeft > 0) return;
    const reasonCode = this.#pubackBytes % 256;
    if (!PUBACK_REASONS.has(reasonCode)) this.#onOddPuback(Math.floor(this.#pubackBytes / 256), reasonCode);
  }

  #headerByte(byte: number): string | null {
    if (this.#headerBytes === 0) {
      if (!ALLOWED_FIRST_BYTES.has(byte)) return `a packet that starts with 0x${byte.toString(16).padStart(2, "0")} is not allowed`;
      this.#headerBytes = 1;
      this.#firstByte = byte;
      this.#remainingLength = 0;
      return null;
    }
    this.#remainingLength += (byte & 0x7f) * 128 ** (this.#headerBytes - 1);
    this.#headerBytes += 1;
    if ((byte & 0x80) !== 0) {
      return this.#headerBytes > LENGTH_FIELD_BYTES_MAX ? `a length of more than ${LENGTH_FIELD_BYTES_MAX} bytes` : null;
    }
    const packetBytes = this.#headerBytes + this.#remainingLength;
    if (packetBytes > this.#packetBytesMax) return `a packet of ${packetBytes} bytes, ${this.#packetBytesMax} are allowed`;
    this.#bodyBytesLeft = this.#remainingLength;
    this.#headerBytes = 0;
    // A PUBACK of two bytes is a success.
    this.#pubackBytesLeft = this.#firstByte === PUBACK && this.#remainingLength >= PUBACK_BYTES ? PUBACK_BYTES : 0;
    this.#pubackBytes = 0;
    return null;
  }
}
