import type { TimeSource } from "../core/machine/testimony.ts";
import type { ChannelPlan, StreamPlan } from "../core/reading/stream.ts";
import type { ProviderDeclaration } from "../core/residency/evidence.ts";
import type { ResidencyPolicy } from "../core/residency/verdict.ts";
import type { EpsilonMicro } from "../core/units/epsilon.ts";
import type { NodeId, SensorId } from "../core/units/ids.ts";
import type { GpioLine, SerialSettings } from "../core/units/port.ts";
import type { DurationMs } from "../core/units/time.ts";
import type { Driver } from "../driver-api/driver.ts";

/** What the runtime is asked to be: the config file after every default, check and decision, with no YAML left in it. */
export interface NodePlan {
  readonly node: NodeFacts;
  readonly broker: BrokerPlan;
  readonly sensors: readonly SensorPlan[];
  /** Sensors whose streams leave together only. */
  readonly groups: readonly GroupPlan[];
  readonly storage: StoragePlan;
  /** The most that all noised streams of an account together may tell about one event of one person. */
  readonly privacy: { readonly epsilonPerEventMicro: EpsilonMicro };
  readonly time: TimePlan;
  /** Port of metrics on 127.0.0.1; null: none. */
  readonly metricsPort: number | null;
  readonly log: { readonly level: "debug" | "info" | "warn" | "error" };
}

/** What the node says about itself in its meta. */
export interface NodeFacts {
  readonly id: NodeId;
  readonly name: string | null;
  readonly owner: { readonly name: string; readonly contact: string | null; readonly website: string | null } | null;
  readonly location: { readonly latitude: number; readonly longitude: number; readonly height: number | null } | null;
  readonly purpose: string | null;
  readonly timeZone: string;
}

/** A string whose value is fetched when it is needed, and never printed. */
export type SecretRef = { readonly credential: string } | { readonly file: string } | { readonly env: string };

/** A string in the config: written there, or a reference. */
export type StringRef = string | SecretRef;

export interface BrokerPlan {
  readonly url: string;
  /** 5, or 4 (MQTT 3.1.1) for brokers that cannot do better. */
  readonly protocol: 4 | 5;
  readonly prefix: string;
  readonly username: StringRef | null;
  readonly password: SecretRef | null;
  readonly tls: {
    readonly ca: StringRef | null;
    readonly cert: StringRef | null;
    readonly key: SecretRef | null;
    /** SHA-256 of public keys, base64; one of them must be in the chain. Empty: none is pinned. */
    readonly pins: readonly string[];
  };
  readonly residency: ResidencyPlan;
  /** The most messages in flight; the broker's Receive Maximum may make it fewer. */
  readonly inFlightMax: number;
  readonly keepAliveMs: DurationMs;
  readonly ackTimeoutMs: DurationMs;
  /** The most summaries and metas a second; null: as fast as the broker takes them. */
  readonly drainPerSecond: number | null;
  /** How far nodes of one broker spread in time what they would all do at once; 0: not at all. */
  readonly spreadMs: DurationMs;
  readonly allowSimulated: boolean;
}

/** Where the broker may stand. */
export interface ResidencyPlan extends ResidencyPolicy {
  readonly provider: ProviderDeclaration | null;
  /** Newer databases in MMDB form; null: those that are installed with Stoep. */
  readonly databases: { readonly location: string | null; readonly operator: string | null };
}

export type PortPlan =
  | { readonly is: "serial"; readonly path: string; readonly settings: SerialSettings }
  /** One unit of a bus; every sensor of a bus has the same line. */
  | { readonly is: "modbus"; readonly bus: string; readonly unit: number; readonly path: string; readonly settings: SerialSettings }
  | { readonly is: "gpio"; readonly lines: Readonly<Record<string, GpioLine>> }
  /** A folder in which the kernel shows a device. */
  | { readonly is: "file"; readonly path: string }
  | { readonly is: "replay"; readonly file: string; readonly speed: number; readonly repeat: boolean }
  | { readonly is: "simulator" };

export interface SensorPlan {
  readonly id: SensorId;
  readonly driver: Driver;
  readonly options: unknown;
  readonly port: PortPlan;
  readonly enabled: boolean;
  readonly instrument: string | null;
  /** Compass bearing in degrees that the sensor looks to; null when unknown. */
  readonly azimuth: number | null;
  readonly directions: Readonly<Partial<Record<"towards" | "away", { readonly label: string; readonly azimuth: number | null }>>>;
  readonly location: NodeFacts["location"];
  /** `retry` with backoff, `skip` this sensor until the next start, or `fail`: stop the node. */
  readonly onStartFailure: "retry" | "skip" | "fail";
  /** Everything the driver can emit with these options, published or not. */
  readonly channels: readonly ChannelPlan[];
  readonly streams: readonly StreamPlan[];
  /** Of a meter of one household: where the consent of its people is kept. */
  readonly consent: string | null;
  /** By name of stream: why the operator holds a quantity outside the vocabulary to be environmental. Reports print it. */
  readonly because?: Readonly<Record<string, string>>;
}

/** Several sensors as one. */
export interface GroupPlan {
  readonly id: SensorId;
  readonly stream: StreamPlan;
  /** Whether a member is replayed or made up. */
  readonly simulated: boolean;
}

export interface StoragePlan {
  /** Where node.db lives: outbox, marks, egress log. Flash. */
  readonly directory: string;
  /** Where live.db lives: readings of open windows. tmpfs, or null for the memory of the process. */
  readonly live: string | null;
  readonly outbox: { readonly maxBytes: number; readonly maxAgeMs: DurationMs };
  readonly egress: { readonly keepMs: DurationMs; readonly maxBytes: number };
}

export interface TimePlan {
  /** Who vouches for the wall clock (`core/machine/testimony.ts`). */
  readonly source: TimeSource;
  /** How long the offset between the clocks is good for when nobody does any more. */
  readonly holdoverMs: DurationMs;
  /** How long readings wait for a clock that can be trusted. */
  readonly maxWaitMs: DurationMs;
}
