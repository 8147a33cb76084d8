import { epsilonMicro, parseEpsilon } from "../core/units/epsilon.ts";
import { nodeId, sensorId } from "../core/units/ids.ts";
import type { ChannelSpec, Driver } from "../driver-api/driver.ts";
import { readBrokerUrl } from "./broker-url.ts";
import { publishingStreams } from "./estimate.ts";
import { inputSchemaOf } from "./json-schema.ts";
import { type ParsedFile, PROBLEMS_MAX, problemsOf } from "./parse.ts";
import type { BrokerPlan, NodeFacts, NodePlan, PortPlan, ResidencyPlan, SensorPlan, StoragePlan, StringRef } from "./plan.ts";
import { allotBudgets, type Budgets } from "./plan-budget.ts";
import { planDelivery } from "./plan-delivery.ts";
import { planGroups } from "./plan-groups.ts";
import { type PortsTaken, planPort, takeBuses, takePort } from "./plan-port.ts";
import { PlanReport } from "./plan-report.ts";
import { latticeProblem, planStreams } from "./plan-streams.ts";
import { type ConfigProblem, inFileOrder, type Path } from "./problem.ts";
import type { NodeConfig, SensorConfig } from "./schema.ts";
import { didYouMean, listed } from "./suggest.ts";
import { wordIssue } from "./wording.ts";

/** Every MQTT broker takes client ids up to here; longer ones are at its pleasure (MQTT 3.1.1 §3.1.3.1, MQTT 5 §3.1.3.1). */
const CLIENT_ID_CHARS_SAFE = 23;

export interface Planned {
  /** null when the file has an error. */
  readonly plan: NodePlan | null;
  /** Everything that is wrong, in the order of the file: the problems of its form too. */
  readonly problems: readonly ConfigProblem[];
}

/**
 * Settles a node file with its drivers. `drivers`: every driver that can be had, by name. `missingDrivers`: those that were
 * needed and could not be loaded, with the reason.
 */
export function planNode(
  parsed: ParsedFile,
  drivers: ReadonlyMap<string, Driver>,
  missingDrivers: ReadonlyMap<string, string> = new Map(),
): Planned {
  const { config } = parsed;
  if (config === null) return { plan: null, problems: parsed.problems };
  const report = new PlanReport(parsed);
  const windowProblem = latticeProblem(config.window);
  if (windowProblem !== null) report.error(["window"], windowProblem);
  if (config.node.id.length > CLIENT_ID_CHARS_SAFE) {
    report.warning(["node", "id"], `is longer than ${CLIENT_ID_CHARS_SAFE} characters: some brokers refuse that as a client id`);
  }
  const taken: PortsTaken = new Map();
  takeBuses(config.buses, taken, report);
  const budgets = allotBudgets(config, report);
  const sensors = Object.entries(config.sensors).flatMap(([name, sensor]) => {
    const driver = findDriver(sensor.driver, ["sensors", name, "driver"], drivers, missingDrivers, report);
    return (driver && planSensor(name, sensor, driver, { config, taken, budgets }, report)) ?? [];
  });
  const grouped = planGroups(config, sensors, report);
  const delivery = planDelivery(config, publishingStreams(grouped), report);
  const found = [...parsed.problems, ...report.problems];
  const problems = inFileOrder(found).slice(0, PROBLEMS_MAX);
  if (found.some(({ severity }) => severity === "error")) return { plan: null, problems };
  return { plan: { ...planRest(config, delivery), ...grouped }, problems };
}

function findDriver(
  name: string,
  path: Path,
  drivers: ReadonlyMap<string, Driver>,
  missingDrivers: ReadonlyMap<string, string>,
  report: PlanReport,
): Driver | null {
  const driver = drivers.get(name);
  if (driver !== undefined) return driver;
  const reason = missingDrivers.get(name);
  const known = [...drivers.keys()].toSorted();
  const guess = didYouMean(name, known) || (known.length > 0 ? `; there are ${listed(known, "and")}` : "");
  report.error(path, `"${name}" is not a driver that can be used${reason === undefined ? "" : ` (${reason})`}${guess}`);
  return null;
}

/** What sensors have to share. */
interface Shared {
  readonly config: NodeConfig;
  readonly taken: PortsTaken;
  readonly budgets: Budgets;
}

function planSensor(
  name: string,
  sensor: SensorConfig,
  driver: Driver,
  { config, taken, budgets }: Shared,
  report: PlanReport,
): SensorPlan | null {
  const id = sensorId(name);
  const path = ["sensors", name];
  const options = planOptions(sensor, driver, path, report);
  const port = planPort(sensor, { driver, options: options?.value, buses: config.buses }, path, report);
  if (port !== null && sensor.enabled) {
    takePort(port, sensor, path, taken, report);
    refuseSimulatedAbroad(port, config, path, report);
  }
  if (options === null) return null;
  const specs = driver.channels(options.value);
  const simulated = sensor.replay !== undefined || driver.port === "simulator";
  const { channels, streams } = planStreams(
    { id, path, config: sensor, channels: specs, simulated, defaultWindowMs: config.window, budgets, timeZone: config.node.timeZone },
    report,
  );
  if (sensor.streams === undefined && streams.length === 0) {
    report.warning([...path, "streams"], nothingLeaves(driver, specs), "key");
  }
  if (port === null) return null;
  return {
    id,
    driver,
    options: options.value,
    port,
    enabled: sensor.enabled,
    instrument: sensor.instrument ?? null,
    azimuth: sensor.azimuth ?? null,
    directions: planDirections(sensor),
    location: planLocation(sensor.location),
    onStartFailure: sensor.onStartFailure,
    channels,
    streams,
    consent: sensor.consent?.reference ?? null,
    because: reasonsOf(sensor),
  };
}

function nothingLeaves(driver: Driver, channels: readonly ChannelSpec[]): string {
  const names = listed(channels.map((channel) => channel.name));
  const remedy = names === "" ? "has no channel with these options" : `publishes no channel unasked, so name ${names} here`;
  return `is missing, and nothing of this sensor leaves: driver ${driver.name} ${remedy}`;
}

function planOptions(sensor: SensorConfig, driver: Driver, path: Path, report: PlanReport): { readonly value: unknown } | null {
  if (report.isCut([...path, "options"])) return null;
  const parsed = driver.options.safeParse(sensor.options, { error: wordIssue });
  if (parsed.success) return { value: parsed.data };
  report.take(problemsOf(parsed.error.issues, [...path, "options"], report.parsed, () => inputSchemaOf(driver.options)));
  return null;
}

/** Made-up numbers must not look like a street: to another machine they go only when somebody said so. */
function refuseSimulatedAbroad(port: PortPlan, { broker }: NodeConfig, path: Path, report: PlanReport): void {
  if (port.is !== "replay" && port.is !== "simulator") return;
  const url = readBrokerUrl(broker.url);
  if (broker.allowSimulated || (url.is === "ok" && url.loopback)) return;
  const where = port.is === "replay" ? [...path, "replay"] : [...path, "driver"];
  const message = "is simulated, and the broker is not on this machine: use a local broker, or set broker.allowSimulated: true";
  // A broker that was cut out of the file may well have been a local one.
  if (report.parsed.cut.some(([section]) => section === "broker")) return;
  report.error(where, message, port.is === "replay" ? "key" : "value");
}

function planDirections({ directions }: SensorConfig): SensorPlan["directions"] {
  const planned: { -readonly [Key in keyof SensorPlan["directions"]]: SensorPlan["directions"][Key] } = {};
  for (const way of ["towards", "away"] as const) {
    const config = directions[way];
    if (config !== undefined) planned[way] = { label: config.label, azimuth: config.azimuth ?? null };
  }
  return planned;
}

function reasonsOf({ streams = {} }: SensorConfig): Readonly<Record<string, string>> {
  return Object.fromEntries(Object.entries(streams).flatMap(([name, { because }]) => (because === undefined ? [] : [[name, because]])));
}

type LocationConfig = NodeConfig["node"]["location"];

const planLocation = (location: LocationConfig): NodeFacts["location"] =>
  location === undefined ? null : { ...location, height: location.height ?? null };

function planRest(config: NodeConfig, delivery: Pick<BrokerPlan, "drainPerSecond" | "spreadMs">): Omit<NodePlan, "sensors" | "groups"> {
  const { node, storage, privacy, time, metrics, log } = config;
  const { owner } = node;
  return {
    node: {
      id: nodeId(node.id),
      name: node.name ?? null,
      owner: owner === undefined ? null : { name: owner.name, contact: owner.contact ?? null, website: owner.website ?? null },
      location: planLocation(node.location),
      purpose: node.purpose ?? null,
      timeZone: node.timeZone,
    },
    broker: { ...planBroker(config.broker), ...delivery },
    storage: planStorage(storage),
    privacy: { epsilonPerEventMicro: parseEpsilon(privacy.epsilonPerEvent) ?? epsilonMicro(0) },
    time: { source: time.source, holdoverMs: time.holdover, maxWaitMs: time.maxWait },
    metricsPort: metrics.port ?? null,
    log,
  };
}

function planStorage({ directory, live, outbox, egress }: NodeConfig["storage"]): StoragePlan {
  return {
    directory,
    live: live === "memory" ? null : live,
    outbox: { maxBytes: outbox.maxBytes, maxAgeMs: outbox.maxAge },
    egress: { keepMs: egress.keep, maxBytes: egress.maxBytes },
  };
}

function planBroker(broker: NodeConfig["broker"]): Omit<BrokerPlan, "drainPerSecond" | "spreadMs"> {
  const { tls } = broker;
  return {
    url: broker.url,
    protocol: broker.protocol,
    prefix: broker.prefix,
    username: broker.username ?? null,
    password: broker.password ?? null,
    tls: { ca: pemOrFile(tls.ca), cert: pemOrFile(tls.cert), key: tls.key ?? null, pins: tls.pins.map(pinnedKey) },
    residency: planResidency(broker.residency),
    inFlightMax: broker.inFlight,
    keepAliveMs: broker.keepAlive,
    ackTimeoutMs: broker.ackTimeout,
    allowSimulated: broker.allowSimulated,
  };
}

/** `sha256/…` as the file has it, the digits in the plan. */
const pinnedKey = (pin: string): string => pin.slice("sha256/".length);

function planResidency({
  mode,
  allow,
  operator,
  private: ofPrivate,
  provider,
  databases,
}: NodeConfig["broker"]["residency"]): ResidencyPlan {
  const declared =
    provider === undefined ? null : { ...provider, sha256: provider.sha256 ?? null, validUntil: provider.validUntil ?? null };
  return {
    mode,
    allow,
    operator,
    private: ofPrivate,
    provider: declared,
    databases: { location: databases.location ?? null, operator: databases.operator ?? null },
  };
}

/** A certificate is written as PEM text or, far more often, as the path of a file: in the plan a string is the text itself. */
function pemOrFile(ref: StringRef | undefined): StringRef | null {
  if (typeof ref !== "string") return ref ?? null;
  return ref.startsWith("-----BEGIN ") ? ref : { file: ref };
}
