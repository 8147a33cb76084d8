import { DROP_REASONS } from "../core/events/counters.ts";
import type { LocalSensor, LocalStatus } from "./status.ts";

type Labels = Readonly<Record<string, string>>;
type Sample = readonly [labels: Labels, value: number];

/**
 * What `stoep status` knows, in the text format of Prometheus. Of sensors of people only their state and whether their counters balance,
 * as there.
 */
export function metricsText(local: LocalStatus): string {
  return [...nodeMetrics(local), ...outboxMetrics(local), ...sensorMetrics(Object.entries(local.sensors)), ...busMetrics(local)].join("");
}

function nodeMetrics({ status, connection, live, memory, uptimeSeconds }: LocalStatus): readonly string[] {
  const { node, instance, version, health, problems, time, expires } = status;
  const healths = (["ok", "degraded", "failing"] as const).map((one): Sample => [{ health: one }, Number(one === health)]);
  const codes = new Map(problems.map(({ code, sensor }) => [`${code} ${sensor}`, { code, ...(sensor === null ? {} : { sensor }) }]));
  return [
    gauge("info", "What runs.", [[{ node, instance, version }, 1]]),
    gauge("health", "1 for the health that the node has.", healths),
    gauge(
      "problem",
      "1 for each problem that stands.",
      [...codes.values()].map((labels): Sample => [labels, 1]),
    ),
    gauge("broker_connected", "Whether the broker is connected.", only(Number(connection.isUp))),
    gauge("time_trusted", "Whether the wall clock is trusted.", only(Number(time.state !== "untrusted"))),
    gauge("time_error_seconds", "How wrong the clock may be.", time.errorMs === null ? [] : only(time.errorMs / 1_000)),
    gauge("resident_memory_bytes", "Memory of the process that is in RAM.", only(memory.residentBytes)),
    gauge("live_store_bytes", "Readings of open windows; absent beside sensors of people.", live.bytes === null ? [] : only(live.bytes)),
    counter("uptime_seconds_total", "Time since the start.", only(uptimeSeconds)),
    gauge("expiry_timestamp_seconds", "When what the node rests on expires.", expiries(expires)),
  ];
}

const expiries = (expires: Readonly<Record<string, string | null>>): readonly Sample[] =>
  Object.entries(expires).flatMap(([what, at]): Sample[] => (at === null ? [] : [[{ what }, Date.parse(at) / 1_000]]));

function outboxMetrics({ status: { outbox: told }, outbox }: LocalStatus): readonly string[] {
  const lost = told.lost.reduce((sum, { fromSeq, toSeq }) => sum + toSeq - fromSeq + 1, 0);
  const earlier = told.lostEarlier === null ? [] : only(told.lostEarlier);
  return [
    gauge("outbox_pending", "Summaries that the broker does not have yet.", only(outbox.rows)),
    gauge("outbox_bytes", "Their size.", only(outbox.bytes)),
    gauge("outbox_room_hours", "Hours of summaries that the outbox takes.", told.hours === null ? [] : only(told.hours)),
    counter("outbox_seq_total", "Number of the last summary.", only(told.lastSeq)),
    gauge("outbox_lost", "Summaries that were given up, of those that are still told in status.", only(lost)),
    gauge("outbox_lost_earlier", "Summaries of earlier instances that will never arrive; absent where nobody knows.", earlier),
  ];
}

function sensorMetrics(sensors: readonly (readonly [string, LocalSensor])[]): readonly string[] {
  const open = sensors.flatMap(([sensor, { counters }]) => (counters === null ? [] : [{ sensor, counters }]));
  const emitted = open.map(({ sensor, counters }): Sample => [{ sensor }, counters.emitted]);
  const dropped = open.flatMap(({ sensor, counters }) =>
    DROP_REASONS.map((reason): Sample => [{ sensor, reason }, counters.dropped[reason]]),
  );
  const kept = open.flatMap(({ sensor, counters }): Sample[] => [
    [{ sensor, as: "stored" }, counters.stored],
    [{ sensor, as: "set-aside" }, counters.setAside],
  ]);
  const discarded = open.flatMap(({ sensor, counters }) =>
    Object.entries(counters.discardedBytes).map(([reason, bytes]): Sample => [{ sensor, reason }, bytes]),
  );
  const each = (of: (sensor: LocalSensor) => boolean): readonly Sample[] =>
    sensors.map(([sensor, one]): Sample => [{ sensor }, Number(of(one))]);
  return [
    gauge(
      "sensor_ok",
      "Whether a sensor works.",
      each(({ state }) => state === "ok"),
    ),
    gauge(
      "sensor_balanced",
      "Whether everything that came in is accounted for.",
      each(({ balanced }) => balanced),
    ),
    counter("readings_emitted_total", "Readings that drivers emitted, once for each stream; not of sensors of people.", emitted),
    counter("readings_dropped_total", "Those that are in no statistic, by reason.", dropped),
    gauge("readings_kept", "Those that were not dropped: emitted less dropped. It falls when one is dropped later.", kept),
    counter("discarded_bytes_total", "Bytes that were no use; not of sensors of people.", discarded),
    counter(
      "lost_edges_total",
      "Edges known to be lost; not of sensors of people.",
      open.map(({ sensor, counters }): Sample => [{ sensor }, counters.lostEdges]),
    ),
  ];
}

function busMetrics({ buses }: LocalStatus): readonly string[] {
  const all = Object.entries(buses);
  const open = all.flatMap(([bus, { counters }]) => (counters === null ? [] : [{ bus, counters }]));
  const outcomes = ["replies", "exceptions", "timeouts", "abandoned", "refused"] as const;
  const requests = open.flatMap(({ bus, counters }) => outcomes.map((outcome): Sample => [{ bus, outcome }, counters[outcome]]));
  const discarded = open.flatMap(({ bus, counters }) =>
    Object.entries(counters.discardedBytes).map(([reason, bytes]): Sample => [{ bus, reason }, bytes]),
  );
  return [
    gauge(
      "bus_open",
      "Whether the line of a bus is open.",
      all.map(([bus, { isOpen }]): Sample => [{ bus }, Number(isOpen)]),
    ),
    counter("bus_requests_total", "Requests to units by what became of them; not of buses with sensors of people.", requests),
    counter("bus_discarded_bytes_total", "Bytes that answered nothing; not of buses with sensors of people.", discarded),
  ];
}

const only = (value: number): readonly Sample[] => [[{}, value]];
const gauge = (name: string, says: string, samples: readonly Sample[]): string => family(name, "gauge", says, samples);
const counter = (name: string, says: string, samples: readonly Sample[]): string => family(name, "counter", says, samples);

function family(name: string, type: "gauge" | "counter", says: string, samples: readonly Sample[]): string {
  if (samples.length === 0) return "";
  const lines = samples.map(([labels, value]) => `stoep_${name}${labelText(labels)} ${value}\n`);
  return [`# HELP stoep_${name} ${says}\n`, `# TYPE stoep_${name} ${type}\n`, ...lines].join("");
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${escaped(value)}"`);
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

const escaped = (value: string): string => value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"');
