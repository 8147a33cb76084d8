import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { createServer as createTlsServer, type TlsOptions } from "node:tls";
import {
  generate,
  type IConnackPacket,
  type IConnectPacket,
  type IDisconnectPacket,
  type IPublishPacket,
  type Packet,
  parser,
} from "mqtt-packet";

/** Most bytes of a huge PUBLISH that are written at a time. */
const CHUNK_BYTES = 65_536;

/** What the broker does of its own accord. Every hook has the answer of a friendly broker as its default. */
export interface FakeBrokerScript {
  /** Default: `connection.connack()`. */
  readonly onConnect?: (connection: FakeConnection, packet: IConnectPacket) => void;
  /** Default: `connection.puback(packet.messageId)`. `index` counts the PUBLISHes of all connections from 0. */
  readonly onPublish?: (connection: FakeConnection, packet: IPublishPacket, index: number) => void;
  /** Default: a PINGRESP. */
  readonly onPing?: (connection: FakeConnection) => void;
}

/**
 * An MQTT broker that does what the script says, over real TCP, right or wrong: it says yes to everything, keeps no sessions and
 * routes nothing, but records each packet that arrives.
 */
export class FakeBroker {
  readonly port: number;
  /** Every packet of every connection, in the order of arrival. */
  readonly received: Packet[] = [];
  readonly connections: FakeConnection[] = [];
  /** Wills of the connections that ended without a DISCONNECT from the client. */
  readonly wills: NonNullable<IConnectPacket["will"]>[] = [];
  readonly #server: ReturnType<typeof createServer>;
  readonly #script: FakeBrokerScript;
  #publishCount = 0;

  private constructor(server: ReturnType<typeof createServer>, script: FakeBrokerScript, event: "connection" | "secureConnection") {
    this.#server = server;
    this.#script = script;
    this.port = (server.address() as AddressInfo).port;
    server.on(event, (socket: Socket) => this.#accept(socket));
  }

  /** `tls`: certificate and key, for a broker behind TLS. */
  static async start(script: FakeBrokerScript = {}, tls: TlsOptions | null = null): Promise<FakeBroker> {
    const server = tls === null ? createServer({ noDelay: true }) : createTlsServer(tls);
    server.on("tlsClientError", () => {});
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new FakeBroker(server, script, tls === null ? "connection" : "secureConnection");
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  /** The PUBLISHes among what was received. */
  get publishes(): IPublishPacket[] {
    return this.received.filter((packet) => packet.cmd === "publish");
  }

  async stop(): Promise<void> {
    for (const connection of this.connections) connection.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #accept(socket: Socket): void {
    const connection = new FakeConnection(socket, (packet) => this.#handle(connection, packet));
    this.connections.push(connection);
    void connection.closed.then(() => {
      if (connection.will !== null) this.wills.push(connection.will);
    });
  }

  #handle(connection: FakeConnection, packet: Packet): void {
    this.received.push(packet);
    const { onConnect, onPublish, onPing } = this.#script;
    if (packet.cmd === "connect") {
      if (onConnect === undefined) connection.connack();
      else onConnect(connection, packet);
    } else if (packet.cmd === "publish") {
      const index = this.#publishCount++;
      if (onPublish === undefined) connection.puback(packet.messageId ?? 0);
      else onPublish(connection, packet, index);
    } else if (packet.cmd === "pingreq") {
      if (onPing === undefined) connection.raw([0xd0, 0x00]);
      else onPing(connection);
    } else if (packet.cmd === "disconnect") {
      connection.socket.end();
    }
  }
}

/** One client of a fake broker, and everything that can be done to it. */
export class FakeConnection {
  readonly socket: Socket;
  /** Resolves when the connection is gone, whoever closed it. */
  readonly closed: Promise<void>;
  /** Null before a CONNECT and after a DISCONNECT. */
  will: NonNullable<IConnectPacket["will"]> | null = null;
  #version = 5;
  /** Bytes of a huge PUBLISH that the client's side has taken. */
  hugeBytesWritten = 0;

  constructor(socket: Socket, onPacket: (packet: Packet) => void) {
    this.socket = socket;
    this.closed = new Promise((resolve) => socket.once("close", () => resolve()));
    socket.on("error", () => {});
    const incoming = parser();
    incoming.on("packet", (packet: Packet) => {
      if (packet.cmd === "connect") {
        this.#version = packet.protocolVersion ?? 5;
        this.will = packet.will ?? null;
      }
      if (packet.cmd === "disconnect") this.will = null;
      onPacket(packet);
    });
    socket.on("data", (data: Buffer) => incoming.parse(data));
  }

  /** CONNACK: `code` is a reason code of MQTT 5, or a return code of MQTT 3.1.1, as the client speaks. */
  connack(code = 0, properties: IConnackPacket["properties"] = {}): void {
    const codes = this.#version === 5 ? { reasonCode: code, properties } : { returnCode: code };
    this.#write({ cmd: "connack", sessionPresent: false, ...codes });
  }

  /** PUBACK, as raw bytes so that a code may be illegal. */
  puback(messageId: number, code = 0): void {
    const id = [messageId >> 8, messageId & 0xff];
    this.raw(code === 0 ? [0x40, 0x02, ...id] : [0x40, 0x03, ...id, code]);
  }

  /** DISCONNECT with a reason (MQTT 5), then FIN. */
  disconnect(code: number, properties: IDisconnectPacket["properties"] = {}): void {
    this.#write({ cmd: "disconnect", reasonCode: code, properties });
    this.socket.end();
  }

  /** RST: nothing that was written is sure to arrive. */
  cut(): void {
    // A TLS socket has no RST of its own.
    if ("encrypted" in this.socket) this.socket.destroy();
    else this.socket.resetAndDestroy();
  }

  /** Half of a PUBACK, then FIN. */
  cutMidPacket(messageId: number): void {
    this.socket.end(Uint8Array.of(0x40, 0x02, messageId >> 8));
  }

  /** Half-open: nothing is read any more, nothing is answered, and the connection stays. */
  stopReading(): void {
    this.socket.pause();
  }

  /** A PUBLISH that says it has `bodyBytes`, and sends that many for as long as the client's side takes them. */
  async hugePublish(bodyBytes: number): Promise<void> {
    const length: number[] = [];
    for (let rest = bodyBytes; rest > 0; rest = Math.floor(rest / 128)) length.push((rest % 128) | (rest >= 128 ? 0x80 : 0));
    this.raw([0x30, ...length, 0x00, 0x01, 0x61]);
    const chunk = Buffer.alloc(CHUNK_BYTES);
    while (this.hugeBytesWritten < bodyBytes && !this.socket.destroyed) {
      this.hugeBytesWritten += chunk.length;
      if (!this.socket.write(chunk)) await Promise.race([new Promise<void>((taken) => this.socket.once("drain", taken)), this.closed]);
    }
  }

  raw(bytes: readonly number[]): void {
    this.socket.write(Uint8Array.from(bytes));
  }

  #write(packet: Packet): void {
    this.socket.write(generate(packet, { protocolVersion: this.#version }));
  }
}
