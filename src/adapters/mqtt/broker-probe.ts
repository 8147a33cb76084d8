import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { IClientOptions, MqttClient, Packet } from "mqtt";
import { type BreakFacts, breakCode } from "../../core/residency/failure-remedies.ts";
import { onDemand } from "../on-demand.ts";
import { connackLimits, connackReason } from "./connack.ts";
import type { MqttBrokerOptions } from "./mqtt-broker.ts";
import { errorCode, openSocket, parseEndpoint, remoteAddress } from "./open-socket.ts";
import { TlsFiles } from "./tls-files.ts";

/** How long each step of a probe may take. */
const STEP_MS_MAX = 10_000;

/** Why a probe got no further. */
export class ProbeError extends Error {
  /** `network`: no connection; `refused`: an answer that says no. */
  readonly is: "network" | "refused";
  /** A code of Node or OpenSSL, or an MQTT 5 reason code in hex. */
  readonly code: string;

  constructor(is: ProbeError["is"], code: string, options?: ErrorOptions) {
    super(`${is}: ${code}`, options);
    this.name = "ProbeError";
    this.is = is;
    this.code = code;
  }
}

/** What a probe learns by connecting. */
export interface ProbeFacts {
  readonly address: string;
  /** Version of TLS and end of the broker's certificate; null without TLS. */
  readonly tls: { readonly protocol: string; readonly validTo: string } | null;
  readonly receiveMaximum: number;
  readonly packetBytesMax: number | null;
}

/**
 * A connection that tries a broker out, beside the one of a node: under another client id, with its credentials. It publishes what
 * `doctor` made up, never anything of a sensor. Close it.
 */
export class BrokerProbe {
  readonly facts: ProbeFacts;
  readonly #client: MqttClient;
  readonly #received: readonly string[];
  #lastReason = 0;

  /** `keepSeconds`: for how long messages wait for this client id after it left; 0: nothing waits, and what waited is forgotten. */
  static async connect(options: MqttBrokerOptions, clientId: string, keepSeconds = 0): Promise<BrokerProbe> {
    const [username, password, material] = await Promise.all([
      options.username?.(),
      options.password?.(),
      new TlsFiles(options.tls ?? {}).material(),
    ]);
    const endpoint = parseEndpoint(options.url);
    const socket = openSocket(endpoint, material, { addresses: options.addresses ?? null, pins: options.pins ?? [] });
    // MQTT.js gets it when the other end has proven who it is, as with a node.
    const broken = { overTls: endpoint.tls, isAnswered: false, hasOwnCert: material.cert !== undefined };
    await proven(socket, { ...broken, isShaken: false });
    const { MqttClient: Client } = onDemand("mqtt") as typeof import("mqtt");
    const isV5 = options.protocol === 5;
    const settings: IClientOptions = {
      protocolVersion: options.protocol,
      clientId,
      ...(username === undefined ? {} : { username }),
      ...(password === undefined ? {} : { password }),
      // On MQTT 3.1.1 a session that is not clean is kept for as long as the broker likes.
      clean: keepSeconds === 0,
      ...(isV5 ? { properties: { sessionExpiryInterval: keepSeconds } } : {}),
      manualConnect: true,
      reconnectPeriod: 0,
      resubscribe: false,
      log: () => {},
    };
    const client = new Client(() => socket, settings);
    // What waits at the broker comes with its first answer.
    const received: string[] = [];
    client.on("message", (_topic, payload) => void received.push(payload.toString("utf8")));
    const facts = await answered(client, socket, { ...broken, isShaken: true });
    return new BrokerProbe(client, facts, received);
  }

  private constructor(client: MqttClient, facts: ProbeFacts, received: readonly string[]) {
    this.facts = facts;
    this.#client = client;
    this.#received = received;
    client.on("packetreceive", (packet) => {
      if (packet.cmd === "puback") this.#lastReason = packet.reasonCode ?? 0;
    });
  }

  /** Publishes at QoS 1 and gives the reason code of the PUBACK, 0 on MQTT 3.1.1. */
  async publish(topic: string, text: string): Promise<number> {
    return await within(
      new Promise((resolve) => {
        this.#client.publish(topic, text, { qos: 1 }, () => resolve(this.#lastReason));
      }),
      "no acknowledgement",
    );
  }

  /** Subscribes at QoS 1 and gives the reason code of the SUBACK: 0 to 2 when granted. */
  async subscribe(filter: string): Promise<number> {
    return await within(
      new Promise((resolve) => {
        this.#client.subscribe(filter, { qos: 1 }, (error, granted) => {
          const code = error !== null && "code" in error && typeof error.code === "number" ? error.code : 0x80;
          resolve(error === null ? (granted?.[0]?.qos ?? 0x80) : code);
        });
      }),
      "no acknowledgement",
    );
  }

  /** Payloads that came, once none has come for so long. */
  async received(quietMs: number): Promise<readonly string[]> {
    for (let before = -1; before !== this.#received.length; ) {
      before = this.#received.length;
      await new Promise((resolve) => setTimeout(resolve, quietMs));
    }
    return this.#received;
  }

  async close(): Promise<void> {
    await this.#client.endAsync().catch(() => {});
  }
}

/** Waits for the end of the handshake. Rejects with `ProbeError`. */
async function proven(socket: Socket, broken: BreakFacts): Promise<void> {
  const over = new Promise<void>((resolve, reject) => {
    socket.once(broken.overTls ? "secureConnect" : "connect", resolve);
    socket.once("error", (error) => reject(new ProbeError("network", breakCode(codeOf(error), broken), { cause: error })));
    socket.once("close", () => reject(new ProbeError("network", breakCode("EOF", broken))));
  });
  try {
    await within(over, "no answer");
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** Waits for the CONNACK. Rejects with `ProbeError`. */
async function answered(client: MqttClient, socket: Socket, broken: BreakFacts): Promise<ProbeFacts> {
  const failed = new Promise<never>((_, reject) => {
    const isNo = (packet: Packet): boolean => packet.cmd === "connack" && connackReason(packet) !== 0;
    client.on("packetreceive", (packet) => {
      if (isNo(packet) && packet.cmd === "connack") reject(new ProbeError("refused", hex(connackReason(packet))));
    });
    const broke = (error: Error): void => reject(new ProbeError("network", breakCode(codeOf(error), broken), { cause: error }));
    socket.once("error", broke);
    client.once("error", broke);
    socket.once("close", () => reject(new ProbeError("network", breakCode("EOF", broken))));
  });
  try {
    client.connect();
    const connected = new Promise<void>((resolve) => client.once("connect", () => resolve()));
    await within(Promise.race([connected, failed]), "no answer");
    const limits = connackLimits({ properties: client.serverProperties ?? {} });
    if (limits === null) throw new ProbeError("refused", "limits that are not legal");
    const secure = broken.overTls ? (socket as TLSSocket) : null;
    const certificate = secure?.getPeerCertificate();
    return {
      address: remoteAddress(socket),
      tls: secure === null ? null : { protocol: secure.getProtocol() ?? "?", validTo: certificate?.valid_to ?? "?" },
      ...limits,
    };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/** An MQTT reason code as its specification writes it. */
export const hex = (code: number): string => `0x${code.toString(16).padStart(2, "0")}`;

const codeOf = (error: Error): string => errorCode(error) ?? error.message;

async function within<T>(work: Promise<T>, says: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ProbeError("network", `${says} within ${STEP_MS_MAX / 1_000} s`)), STEP_MS_MAX);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
