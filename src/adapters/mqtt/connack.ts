/** Highest Receive Maximum, and what holds where the broker names none (MQTT 5 §3.2.2.3.3). */
export const RECEIVE_MAXIMUM_MAX = 65_535;
/** "Unspecified error" of MQTT 5. */
const UNSPECIFIED = 0x80;

/** CONNACK return codes of MQTT 3.1.1 (§3.2.2.3) as the MQTT 5 reason codes that mean the same. */
const REASON_OF_RETURN_CODE: ReadonlyMap<number, number> = new Map([
  [1, 0x84], // unacceptable protocol version
  [2, 0x85], // identifier rejected
  [3, 0x88], // server unavailable
  [4, 0x86], // bad user name or password
  [5, 0x87], // not authorised
]);

/** The fields of a CONNACK that we read, as mqtt-packet parses them. */
export interface Connack {
  /** MQTT 3.1.1. */
  readonly returnCode?: number;
  /** MQTT 5. */
  readonly reasonCode?: number;
  readonly properties?: { readonly receiveMaximum?: unknown; readonly maximumPacketSize?: unknown };
}

/** What the broker can take. */
export interface BrokerLimits {
  readonly receiveMaximum: number;
  /** Null: no limit. */
  readonly packetBytesMax: number | null;
}

/**
 * The MQTT 5 reason code of a CONNACK: 0, or 0x80 and more. A broker that knows no MQTT 5 answers an MQTT 5 CONNECT with a return
 * code of MQTT 3.1.1, so the translation goes by the number and not by the version that we asked for.
 */
export function connackReason(packet: Connack): number {
  const code = packet.reasonCode ?? packet.returnCode ?? UNSPECIFIED;
  if (code === 0 || code >= UNSPECIFIED) return code;
  return REASON_OF_RETURN_CODE.get(code) ?? UNSPECIFIED;
}

/** The limits in a CONNACK, or null when they are not legal (zero, or given twice, which mqtt-packet parses into an array). */
export function connackLimits(packet: Connack): BrokerLimits | null {
  const receiveMaximum = packet.properties?.receiveMaximum ?? RECEIVE_MAXIMUM_MAX;
  const packetBytesMax = packet.properties?.maximumPacketSize ?? null;
  if (!isPositive(receiveMaximum)) return null;
  if (packetBytesMax !== null && !isPositive(packetBytesMax)) return null;
  return { receiveMaximum, packetBytesMax };
}

function isPositive(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0;
}
