import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { IClientOptions, IPublishPacket, MqttClient, Packet, Store } from "mqtt";
import { Message } from "../../core/anonymise/message.ts";
import { assert } from "../../core/assert.ts";
import { breakCode } from "../../core/residency/failure-remedies.ts";
import type { BrokerEvent, BrokerLink, BrokerListener, CloseCause, ConnectRequest } from "../../ports/broker.ts";
import { onDemand } from "../on-demand.ts";
import { connackLimits, connackReason } from "./connack.ts";
import { InboundGuard } from "./inbound-guard.ts";
import { type Endpoint, errorCode, isConnectedTo, openSocket, remoteAddress, type TlsMaterial } from "./open-socket.ts";
import { tlsFacts } from "./peer-certificate.ts";

/** How long a broker may take to close after our DISCONNECT (promised by `BrokerLink.end`). */
const END_TIMEOUT_MS = 1_000;
/** Longest keep alive that fits in a CONNECT. */
const KEEP_ALIVE_SECONDS_MAX = 65_535;
/** DISCONNECT with reason 0x00, the same two bytes in MQTT 5 (§3.14.2.1: zero may be left out) and MQTT 3.1.1. */
const DISCONNECT = Uint8Array.of(0xe0, 0x00);
/** The only error of MQTT.js that is not about the protocol; it has no code. */
const KEEPALIVE_TIMEOUT = "Keepalive timeout";

const NOT_SEALED = "only a sealed message leaves";

/** What one connection is made with: read from the providers for it, and not kept after it. */
export interface Credentials {
  readonly username?: string;
  readonly password?: string;
  readonly tls: TlsMaterial;
}

/** What all connections of a broker share. */
export interface LinkSettings {
  readonly endpoint: Endpoint;
  readonly protocol: 4 | 5;
  readonly clientId: string;
  readonly keepAliveMs: number;
  readonly inboundBytesMax: number;
  /** SHA-256 of public keys that the chain must have one of. */
  readonly pins: readonly string[];
  readonly credentials: () => Promise<Credentials>;
}

/**
 * One connection: a socket of ours with an MQTT.js client on it. The socket is made here and not by MQTT.js, so that what arrives
 * can be measured first, and so that cutting it needs nobody's consent. The first cause of an end is the one that is reported.
 */
export class MqttLink implements BrokerLink {
  readonly #settings: LinkSettings;
  readonly #listener: BrokerListener;
  #socket: Socket | null = null;
  #client: MqttClient | null = null;
  #timer: NodeJS.Timeout;
  #cause: CloseCause | null = null;
  #isShaken = false;
  #isConnected = false;
  #isClosed = false;
  #hasOwnCert = false;
  /** Reason code of the PUBACK that MQTT.js is handling: its callback does not tell 0x10 from 0. */
  #pubackReason = 0;
  /** Tokens of what is under way, by the packet identifier that MQTT.js gave it. */
  readonly #tokens = new Map<number, number>();

  constructor(settings: LinkSettings, request: ConnectRequest, listener: BrokerListener) {
    assert(Message.isSealed(request.will), NOT_SEALED);
    this.#settings = settings;
    this.#listener = listener;
    this.#timer = setTimeout(() => this.#cut({ is: "timeout" }), request.timeoutMs);
    void this.#open(request);
  }

  publish(message: Message, token: number): void {
    assert(Message.isSealed(message), NOT_SEALED);
    const { topic, payload, retain, expirySeconds } = message;
    if (!this.#isConnected || this.#cause !== null) return;
    const properties = this.#settings.protocol === 5 ? { properties: messageProperties(expirySeconds) } : {};
    const client = this.#client;
    if (client === null) return;
    let messageId = 0;
    client.publish(topic, asBuffer(payload), { qos: 1, retain, ...properties }, (_error, packet) => {
      // Without a packet it is MQTT.js giving up on a connection that breaks: `closed` will say so.
      if (packet === undefined) return;
      this.#tokens.delete(messageId);
      this.#emit({ type: "acknowledged", token, reasonCode: this.#pubackReason });
    });
    messageId = client.getLastMessageId();
    this.#tokens.set(messageId, token);
  }

  end(): void {
    if (this.#cause !== null) return;
    // Without a client the other end has not proven yet who it is: it gets no byte, and holds no will of ours.
    if (this.#socket === null || this.#client === null) {
      this.destroy();
      return;
    }
    this.#cause = { is: "asked" };
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.destroy(), END_TIMEOUT_MS);
    // Past MQTT.js, whose `end` waits for every acknowledgement, without a limit (mqttjs/MQTT.js#952), or sends no DISCONNECT at all.
    this.#socket.end(DISCONNECT);
  }

  destroy(): void {
    this.#cut({ is: "asked" });
  }

  async #open(request: ConnectRequest): Promise<void> {
    let credentials: Credentials;
    try {
      credentials = await this.#settings.credentials();
      if (this.#cause !== null) return;
      const bounds = { addresses: request.addresses ?? null, pins: this.#settings.pins };
      this.#hasOwnCert = credentials.tls.cert !== undefined;
      this.#socket = openSocket(this.#settings.endpoint, credentials.tls, bounds);
    } catch (error) {
      // A secret that cannot be read or a PEM text that OpenSSL refuses. Only the code goes on: the message may quote the secret.
      this.#cut({ is: "network", code: errorCode(error) ?? "CREDENTIALS_UNAVAILABLE" });
      return;
    }
    this.#await(this.#socket, request.addresses ?? null, clientOptions(this.#settings, credentials, request));
  }

  /** MQTT.js gets the socket when the other end has proven who it is: before that not one byte of ours is written into it. */
  #await(socket: Socket, addresses: readonly string[] | null, options: IClientOptions): void {
    socket.on("error", (error) => {
      const code = errorCode(error);
      this.#cut(code === null ? { is: "protocol", detail: error.message } : this.#broken(code));
    });
    const closedBefore = (): void => this.#closed(this.#broken("EOF"));
    socket.on("close", closedBefore);
    socket.once(this.#settings.endpoint.tls ? "secureConnect" : "connect", () => {
      if (this.#cause !== null) return;
      this.#isShaken = true;
      if (addresses !== null && !isConnectedTo(socket, addresses)) {
        this.#cut({ is: "network", code: "ADDRESS_CHANGED" });
        return;
      }
      this.#startClient(socket, options);
      // MQTT.js tells of the close itself, after what arrived before it.
      socket.off("close", closedBefore);
    });
    // Loaded while the socket connects.
    onDemand("mqtt");
  }

  #startClient(socket: Socket, options: IClientOptions): void {
    const { MqttClient: Client, Store } = onDemand("mqtt") as typeof import("mqtt");
    const client = new Client(() => socket, { ...options, outgoingStore: keepingNothing(new Store()) });
    const guard = new InboundGuard(this.#settings.inboundBytesMax, (messageId, reasonCode) => this.#oddPuback(messageId, reasonCode));
    // These listeners stand before those of MQTT.js, so the guard is first to see each chunk.
    socket.on("data", (chunk: Buffer) => {
      const problem = guard.check(chunk);
      if (problem !== null) this.#cut({ is: "protocol", detail: problem });
      // Each acknowledgement lets one message go; those of a chunk leave together, for a system call costs as much as a message.
      socket.cork();
      setImmediate(() => socket.uncork());
    });
    client.on("packetreceive", (packet) => this.#received(packet));
    client.on("connect", () => this.#connected(socket));
    // After a parser error MQTT.js may stay deaf on an open socket (seen with an illegal PUBACK code), so any error ends the link.
    client.on("error", (error) => {
      this.#cut(error.message === KEEPALIVE_TIMEOUT ? { is: "timeout" } : { is: "protocol", detail: error.message });
    });
    client.on("close", () => this.#closed(this.#broken("EOF")));
    this.#client = client;
    client.connect();
  }

  /**
   * mosquitto 2.0 refuses what is too long with a reason that is not legal in a PUBACK. The message is answered all the same; what else
   * came with it is still read by MQTT.js, which then is deaf.
   */
  #oddPuback(messageId: number, reasonCode: number): void {
    const token = this.#tokens.get(messageId);
    if (token !== undefined) this.#emit({ type: "acknowledged", token, reasonCode });
    setImmediate(() =>
      this.#cut({ is: "protocol", detail: `a PUBACK with reason 0x${reasonCode.toString(16)}, which is not legal there` }),
    );
  }

  #received(packet: Packet): void {
    switch (packet.cmd) {
      case "puback":
        this.#pubackReason = packet.reasonCode ?? 0;
        return;
      case "connack": {
        const reasonCode = connackReason(packet);
        if (reasonCode !== 0) this.#cut({ is: "refused", reasonCode });
        return;
      }
      case "disconnect":
        this.#cut({ is: "disconnected", reasonCode: packet.reasonCode ?? 0 });
        return;
      default:
        return;
    }
  }

  #connected(socket: Socket): void {
    if (this.#cause !== null) return;
    const limits = connackLimits({ properties: this.#client?.serverProperties ?? {} });
    if (limits === null) {
      this.#cut({ is: "protocol", detail: "limits in the CONNACK are not legal" });
      return;
    }
    clearTimeout(this.#timer);
    this.#isConnected = true;
    const tls = this.#settings.endpoint.tls ? { tls: tlsFacts(socket as TLSSocket, this.#settings.pins) } : {};
    this.#emit({ type: "connected", address: remoteAddress(socket), ...limits, ...tls });
  }

  #broken(code: string): CloseCause {
    const facts = { overTls: this.#settings.endpoint.tls, isShaken: this.#isShaken, isAnswered: this.#isConnected };
    return { is: "network", code: breakCode(code, { ...facts, hasOwnCert: this.#hasOwnCert }) };
  }

  /** Ends the connection without a word to the broker; `closed` follows when the socket is gone. */
  #cut(cause: CloseCause): void {
    this.#cause ??= cause;
    if (this.#socket === null) queueMicrotask(() => this.#closed(cause));
    else this.#socket.destroy();
  }

  #closed(causeIfNone: CloseCause): void {
    if (this.#isClosed) return;
    clearTimeout(this.#timer);
    this.#client = null;
    this.#cause ??= causeIfNone;
    this.#isClosed = true;
    this.#listener({ type: "closed", cause: this.#cause });
  }

  #emit(event: BrokerEvent): void {
    if (!this.#isClosed) this.#listener(event);
  }
}

function clientOptions(settings: LinkSettings, { username, password }: Credentials, request: ConnectRequest): IClientOptions {
  const isV5 = settings.protocol === 5;
  const { will, timeoutMs } = request;
  return {
    protocolVersion: settings.protocol,
    clientId: settings.clientId,
    keepalive: Math.min(Math.max(1, Math.ceil(settings.keepAliveMs / 1_000)), KEEP_ALIVE_SECONDS_MAX),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password }),
    will: {
      topic: will.topic,
      payload: asBuffer(will.payload),
      qos: 1,
      retain: will.retain,
      ...(isV5 ? { properties: messageProperties(will.expirySeconds) } : {}),
    },
    ...(isV5 ? { properties: { sessionExpiryInterval: 0, maximumPacketSize: settings.inboundBytesMax } } : {}),
    clean: true,
    manualConnect: true,
    reconnectPeriod: 0,
    // Ours was started before, and counts the credentials too: it fires first.
    connectTimeout: timeoutMs,
    resubscribe: false,
    queueQoSZero: false,
    // Otherwise mqtt-packet keeps 65536 two-byte buffers, 7 MB, to save an allocation per number.
    writeCache: false,
    // MQTT.js would print the CONNECT, password included, when DEBUG is set in the environment.
    log: () => {},
  };
}

/**
 * A store of MQTT.js that keeps no message until it is acknowledged: the outbox has it, and no connection is resumed. Its own is a Map, and
 * what went through one stays in memory until a full collection (`Delivery`, what is under way).
 */
function keepingNothing(store: Store): Store {
  store.put = (_packet, done) => {
    done();
    return store;
  };
  store.del = (packet, done) => {
    done(undefined, packet as Packet);
    return store;
  };
  return store;
}

function messageProperties(expirySeconds: number | null): NonNullable<IPublishPacket["properties"]> {
  const format = { payloadFormatIndicator: true, contentType: "application/json" };
  return expirySeconds === null ? format : { ...format, messageExpiryInterval: expirySeconds };
}

/** The same bytes, not a copy. */
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
