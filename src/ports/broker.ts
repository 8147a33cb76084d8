import type { Message } from "../core/anonymise/message.ts";
import type { TlsFacts } from "../core/residency/evidence.ts";

/** What a connection is opened with. Credentials and TLS belong to the adapter; they never pass through here. */
export interface ConnectRequest {
  /** The will: published by the broker when the connection breaks. Retained. */
  readonly will: Message;
  readonly timeoutMs: number;
  /** Only these addresses are tried: they were checked. Absent: whatever the name of the broker has. */
  readonly addresses?: readonly string[];
}

/** Why there is no connection any more. */
export type CloseCause =
  /** CONNACK with a reason code of 0x80 or more (MQTT 5 §3.2.2.2; MQTT 3.1.1 return codes are mapped onto them). */
  | { readonly is: "refused"; readonly reasonCode: number }
  /** DISCONNECT from the broker. */
  | { readonly is: "disconnected"; readonly reasonCode: number }
  /**
   * TCP, TLS or name resolution; `code` as Node names it: `ECONNREFUSED`, `CERT_NOT_YET_VALID`. Ours: `TLS_PIN_MISMATCH`,
   * `TLS_PAIR_MISMATCH`, `TLS_UNREADABLE`, `ADDRESS_CHANGED`, and `RESIDENCY_` codes for a broker that may not be connected to.
   */
  | { readonly is: "network"; readonly code: string }
  /** Bytes that are not MQTT, or a packet that is not allowed or too long. */
  | { readonly is: "protocol"; readonly detail: string }
  | { readonly is: "timeout" }
  /** We asked for it. */
  | { readonly is: "asked" };

export type BrokerEvent =
  | {
      readonly type: "connected";
      /** `host:port` of the socket, for the egress log. */
      readonly address: string;
      /** CONNACK Receive Maximum; 65535 where the broker says nothing (MQTT 5 §3.2.2.3.3). */
      readonly receiveMaximum: number;
      /** CONNACK Maximum Packet Size, or null for no limit. */
      readonly packetBytesMax: number | null;
      /** What TLS agreed on; absent: there is none, to this machine. */
      readonly tls?: TlsFacts;
    }
  /** PUBACK. 0 on MQTT 3.1.1, which knows no reasons. */
  | { readonly type: "acknowledged"; readonly token: number; readonly reasonCode: number }
  /** Final for this link, exactly once. */
  | { readonly type: "closed"; readonly cause: CloseCause };

export type BrokerListener = (event: BrokerEvent) => void;

/** One connection, from the attempt to its end. No method throws; trouble arrives as `closed`. */
export interface BrokerLink {
  /** QoS 1. `acknowledged` with the same token follows, or `closed`. Only after `connected`. */
  publish(message: Message, token: number): void;
  /** DISCONNECT with 0x00, then closes: the will is not sent. `closed` follows, at the latest after a second. */
  end(): void;
  /** Cuts the connection: the broker sends the will. `closed` follows. */
  destroy(): void;
}

/**
 * The one place that the node talks to. Each attempt is a new client: nothing of an old connection can leak into a new one. No
 * event is told from within a call.
 */
export interface Broker {
  connect(request: ConnectRequest, listener: BrokerListener): BrokerLink;
}
