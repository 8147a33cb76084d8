import type { NodeProblem } from "../core/events/problems.ts";
import type { EpochMs } from "../core/units/time.ts";
import type { Broker } from "../ports/broker.ts";
import type { Clock } from "../ports/clock.ts";
import type { Crypto } from "../ports/crypto.ts";
import type { Events } from "../ports/events.ts";
import type { FileBus, GpioBus, ReplayBus, SerialBus } from "../ports/field-port.ts";
import type { LiveStore } from "../ports/live-store.ts";
import type { ModbusCodec } from "../ports/modbus.ts";
import type { Outbox } from "../ports/outbox.ts";
import type { Scheduler } from "../ports/scheduler.ts";
import type { BrokerWitnesses } from "./broker-safety.ts";
import type { MadeSummary } from "./closer.ts";
import type { NodeIdentity } from "./status.ts";

/** Everything the node stands on. */
export interface World extends BrokerWitnesses {
  readonly clock: Clock;
  readonly crypto: Crypto;
  readonly events: Events;
  readonly scheduler: Scheduler;
  readonly serial: SerialBus;
  readonly gpio: GpioBus;
  readonly files: FileBus;
  readonly replay: ReplayBus;
  /** Where a sensor is a unit of a bus. */
  readonly modbus?: ModbusCodec;
  readonly live: LiveStore;
  readonly outbox: Outbox;
  readonly broker: Broker;
  /** Resident memory of the process, bytes. */
  residentBytes(): number;
}

export interface NodeOptions {
  readonly identity: NodeIdentity;
  /** Codes of what is wrong with this machine for as long as the node runs: `SWAP_ON_DISK`. */
  readonly standing?: ReadonlySet<NodeProblem>;
  /** Called once a second when loop, closer and stores are well: it feeds the watchdog. Never for sensor or broker data. */
  readonly heartbeat?: () => void;
  readonly onMade?: (made: MadeSummary) => void;
  /** Told in one line how the node is, when that has changed. No reading, no count of people. */
  readonly onTold?: (says: string) => void;
  /** How long the first connection waits, after a power return: `firstConnectMs`. Absent: it does not. */
  readonly connectAfterMs?: number;
  /** The node cannot go on: a sensor with `onStartFailure: fail` failed. */
  readonly onFatal?: (code: string) => void;
}

/** What a clean stop did with what was open. */
export interface StopReport {
  /** Summaries that wait in the outbox for the next start. */
  readonly pending: number;
  /** Windows that were still open: their readings stay in the live store, if that outlives the process. */
  readonly openWindows: readonly { readonly start: EpochMs; readonly windowMs: number }[];
}
