import type { Doubt } from "../machine/timekeeper.ts";
import type { SensorId, StreamId } from "../units/ids.ts";

/** How much an event matters to somebody who reads the log. */
export type EventLevel = "debug" | "info" | "warn" | "error";

/**
 * Everything that the node tells its log. No event has a field for a value, and none is emitted per reading, so neither a value
 * nor a count of people can be read off a log at any level. `detail` is text from a library or the operating system.
 */
export type NodeEvent =
  | { readonly type: "NodeStarting"; readonly version: string; readonly instance: string; readonly run: number }
  | { readonly type: "NodeWaits"; readonly path: string }
  | { readonly type: "NodeReady"; readonly sensors: number; readonly streams: number }
  | { readonly type: "ConfigApplied"; readonly rev: string; readonly what: string }
  | { readonly type: "ConfigUnchanged"; readonly rev: string }
  | { readonly type: "ConfigRejected"; readonly rev: string; readonly because: string }
  | { readonly type: "ConfigRolledBack"; readonly rev: string; readonly because: string }
  | { readonly type: "ConfigGoodUsed"; readonly rev: string; readonly path: string; readonly because: string }
  | { readonly type: "ConfigKept"; readonly rev: string; readonly path: string }
  | { readonly type: "ConfigNotKept"; readonly path: string; readonly code: string }
  | { readonly type: "MetricsPortRefused"; readonly port: number; readonly detail: string; readonly remedy: string }
  | { readonly type: "MetricsPortOpened"; readonly port: number }
  | { readonly type: "NodeStopping"; readonly reason: string }
  | { readonly type: "NodeStopped"; readonly pendingSummaries: number }
  | { readonly type: "ClockTrusted"; readonly source: string }
  | { readonly type: "ClockUntrusted"; readonly because: Doubt }
  | { readonly type: "ClockHoldover"; readonly because: Doubt }
  | { readonly type: "ClockStepped"; readonly size: "small" | "large" }
  | { readonly type: "SensorOpened"; readonly sensor: SensorId }
  | { readonly type: "SensorClosed"; readonly sensor: SensorId; readonly code: string; readonly detail: string; readonly remedy: string }
  | { readonly type: "SensorSilent"; readonly sensor: SensorId }
  | { readonly type: "SensorAlive"; readonly sensor: SensorId }
  | { readonly type: "MaintenanceBegan"; readonly sensor: SensorId; readonly until: string }
  | { readonly type: "MaintenanceEnded"; readonly sensor: SensorId }
  | { readonly type: "WatchBegan"; readonly sensor: SensorId; readonly wants: string }
  | { readonly type: "WatchEnded"; readonly sensor: SensorId }
  | { readonly type: "SensorFault"; readonly sensor: SensorId; readonly code: string }
  | { readonly type: "SensorGivenUp"; readonly sensor: SensorId; readonly code: string }
  | { readonly type: "DriverThrew"; readonly sensor: SensorId; readonly detail: string }
  | { readonly type: "GpioBackend"; readonly backend: string; readonly detail: string }
  | { readonly type: "GpioLimited"; readonly backend: string; readonly limits: string; readonly remedy: string }
  | { readonly type: "StreamWithheld"; readonly stream: StreamId; readonly because: string }
  | { readonly type: "SummaryMade"; readonly stream: StreamId; readonly window: string; readonly seq: number }
  | { readonly type: "StatisticFailed"; readonly stream: StreamId; readonly detail: string }
  | { readonly type: "CloseFailed"; readonly detail: string }
  | { readonly type: "WindowsSkipped"; readonly stream: StreamId; readonly from: string; readonly to: string }
  | { readonly type: "StreamCameBack"; readonly stream: StreamId; readonly from: string; readonly to: string }
  | { readonly type: "BalanceBroken"; readonly what: string }
  | { readonly type: "InstanceRenewed"; readonly because: string }
  | { readonly type: "LiveStoreDiscarded"; readonly because: string }
  | { readonly type: "LiveStoreOnDisk"; readonly path: string }
  | { readonly type: "LiveStoreFull" }
  | { readonly type: "LiveStoreFailed" }
  | { readonly type: "ReadingsExpired" }
  | { readonly type: "OutboxQuarantined"; readonly path: string }
  | {
      readonly type: "OutboxSalvaged";
      readonly path: string;
      readonly rows: number;
      readonly damaged: number | null;
      readonly left: number | null;
    }
  | { readonly type: "OutboxRepaired"; readonly rows: number }
  | { readonly type: "OutboxFailed"; readonly code: string; readonly detail: string }
  | { readonly type: "OutboxTrimmed"; readonly rows: number }
  | { readonly type: "SummariesLost"; readonly fromSeq: number; readonly toSeq: number; readonly reason: string }
  | { readonly type: "EarlierSummariesLost"; readonly total: number | null }
  | { readonly type: "BrokerConnected"; readonly address: string }
  | { readonly type: "BrokerDisconnected"; readonly cause: string; readonly detail: string; readonly remedy: string }
  | {
      readonly type: "BrokerLookedUp";
      readonly host: string;
      readonly standing: string;
      readonly mayConnect: boolean;
      readonly reasons: string;
    }
  | { readonly type: "EvidenceFailed"; readonly detail: string }
  | { readonly type: "EvidenceKeyReplaced"; readonly aside: string; readonly key: string }
  | { readonly type: "BrokerSecretsUnusable"; readonly detail: string; readonly remedy: string }
  | { readonly type: "TlsRenewalUnusable"; readonly code: string }
  | { readonly type: "PublishRefused"; readonly seq: number | null; readonly reason: string; readonly remedy: string }
  | { readonly type: "PublishDelayed"; readonly reason: string; readonly remedy: string }
  | { readonly type: "LedgerDamaged"; readonly until: string }
  | { readonly type: "TermsWait"; readonly stream: string; readonly since: string }
  | { readonly type: "NoiseUnavailable"; readonly stream: StreamId }
  | { readonly type: "PrivacyWithheld"; readonly code: string; readonly remedy: string };

export type NodeEventType = NodeEvent["type"];

/** Level and meaning of every event: the log adapter and the documentation derive from this table. */
export const EVENTS: Readonly<Record<NodeEventType, { readonly level: EventLevel; readonly says: string }>> = {
  NodeStarting: { level: "info", says: "the node starts" },
  NodeWaits: { level: "error", says: "the disk has no room for the outbox: the node measures nothing until there is some" },
  NodeReady: { level: "info", says: "stores, drivers and ports are set up" },
  ConfigApplied: { level: "info", says: "the node took over a changed file; what it is not about was not touched" },
  ConfigUnchanged: { level: "info", says: "the file is the one that runs: nothing was done" },
  ConfigRejected: { level: "error", says: "the file is not used; the node goes on with the one before" },
  ConfigRolledBack: { level: "error", says: "the file was tried, did not hold, and was taken back; the node goes on with the one before" },
  ConfigGoodUsed: { level: "error", says: "the file cannot be used: the last one that held is run instead" },
  ConfigKept: { level: "info", says: "the file held: it is kept as the one to run when a later one cannot be used" },
  ConfigNotKept: { level: "warn", says: "the file held, and could not be kept as the one to fall back on" },
  MetricsPortRefused: { level: "warn", says: "the port of metrics cannot be had: nobody gets them there; it is tried again each minute" },
  MetricsPortOpened: { level: "info", says: "the port of metrics could be had: they are served there" },
  NodeStopping: { level: "info", says: "the node stops: it flushes, publishes what it can and says goodbye" },
  NodeStopped: { level: "info", says: "the node has stopped; what was not acknowledged waits in the outbox" },
  ClockTrusted: { level: "info", says: "the wall clock is trusted: windows are labelled with it" },
  ClockUntrusted: { level: "warn", says: "the wall clock is not believed: readings wait, no window is closed; `stoep time` says more" },
  ClockHoldover: { level: "warn", says: "nobody vouches for the wall clock any more: the node goes on by itself for `time.holdover`" },
  ClockStepped: { level: "warn", says: "the wall clock was stepped" },
  SensorOpened: { level: "info", says: "the port of a sensor is open" },
  SensorClosed: { level: "warn", says: "the port of a sensor is closed; it is tried again" },
  SensorSilent: { level: "warn", says: "a sensor showed no life within its rhythm; its port is opened again" },
  SensorAlive: { level: "info", says: "a silent sensor shows life again" },
  MaintenanceBegan: { level: "info", says: "somebody works on a sensor: its readings are not used, and its windows say so" },
  MaintenanceEnded: { level: "info", says: "the work on a sensor is over" },
  WatchBegan: { level: "info", says: "somebody on this machine watches a sensor (`stoep watch`), or records what its port tells" },
  WatchEnded: { level: "info", says: "a watch of a sensor is over" },
  SensorFault: { level: "warn", says: "the driver of a sensor reports that the device cannot work" },
  SensorGivenUp: { level: "error", says: "a sensor is not tried again until the node is started or its config changes" },
  DriverThrew: { level: "error", says: "a driver threw: a bug of the driver; the sensor is reopened" },
  GpioBackend: { level: "info", says: "how GPIO lines are worked on this machine" },
  GpioLimited: { level: "warn", says: "GPIO lines are worked in a lesser way, and `limits` is what that cannot promise" },
  StreamWithheld: { level: "warn", says: "nothing is published for this stream" },
  SummaryMade: { level: "debug", says: "a window was closed and its summary is in the outbox" },
  StatisticFailed: { level: "error", says: "a bug: a window of this stream is published without a number" },
  CloseFailed: { level: "error", says: "closing windows failed; it is tried again" },
  WindowsSkipped: { level: "warn", says: "windows from before the start are too old to be published as missing" },
  StreamCameBack: { level: "warn", says: "the clock had been too far ahead: the stream goes on in the time that it had passed over" },
  BalanceBroken: { level: "error", says: "counters do not balance: a bug" },
  InstanceRenewed: {
    level: "warn",
    says: "node.db was put back from a copy, or comes from another machine: it has a new name, and people's windows begin anew",
  },
  LiveStoreDiscarded: { level: "warn", says: "readings of an earlier run could not be used" },
  LiveStoreOnDisk: {
    level: "warn",
    says: "storage.live is not memory (tmpfs): readings are kept in the process instead, and a restart loses open windows",
  },
  LiveStoreFull: { level: "error", says: "the live store is full: readings are dropped and counted" },
  LiveStoreFailed: { level: "error", says: "the live store cannot be written: readings are dropped and counted" },
  ReadingsExpired: {
    level: "warn",
    says: "readings of people grew too old before their windows could be closed, and were deleted; more may follow",
  },
  OutboxQuarantined: { level: "error", says: "node.db was damaged: it was put aside and a new instance begun" },
  OutboxSalvaged: {
    level: "warn",
    says: "what waited in a damaged node.db was taken over; `left` waits there for room, null: nobody knows how many",
  },
  OutboxRepaired: {
    level: "error",
    says: "marks or facts in node.db were damaged: mended, or taken out, and streams without a mark begin with the next window",
  },
  OutboxFailed: { level: "error", says: "the outbox could not be written; it is opened again" },
  OutboxTrimmed: { level: "debug", says: "old rows were deleted" },
  SummariesLost: { level: "error", says: "summaries were dropped for good" },
  EarlierSummariesLost: {
    level: "error",
    says: "summaries of a damaged node.db will never arrive, `total` by now; null: nobody knows how many",
  },
  BrokerConnected: { level: "info", says: "connected to the broker" },
  BrokerDisconnected: { level: "warn", says: "no connection to the broker; summaries wait in the outbox" },
  BrokerLookedUp: {
    level: "info",
    says: "where the addresses of the broker are listed, and whether the config lets the node connect there",
  },
  EvidenceFailed: { level: "error", says: "a record of where the node was connected to could not be written" },
  EvidenceKeyReplaced: {
    level: "warn",
    says: "the key of the evidence was none: it was put aside and a new one made, whose name has to be written down",
  },
  BrokerSecretsUnusable: {
    level: "error",
    says: "a password, key or certificate cannot be used at the start: the node measures, and has no way to the broker until it can",
  },
  TlsRenewalUnusable: { level: "warn", says: "renewed certificate files cannot be used; the last ones that fit are used until they can" },
  PublishRefused: { level: "error", says: "the broker will never take this message" },
  PublishDelayed: { level: "warn", says: "the broker does not take messages now; they are sent again" },
  LedgerDamaged: {
    level: "error",
    says: "rows of the privacy ledger are not what was written: nothing noised is released until a day that they cannot reach",
  },
  TermsWait: {
    level: "warn",
    says: "what is told about people was changed; the stream says `budget` until the change is in force, with the next day of UTC",
  },
  NoiseUnavailable: {
    level: "error",
    says: "no noise could be drawn, or not for the first time: the window is published without a number",
  },
  PrivacyWithheld: { level: "error", says: "streams of people are withheld because this machine cannot keep a promise" },
};
