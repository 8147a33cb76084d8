import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { askControl, type ControlServer, serveControl } from "../adapters/control-socket.ts";
import { cronScheduler } from "../adapters/cron-scheduler.ts";
import { createGpioBus } from "../adapters/gpio/gpio-bus.ts";
import { createHost } from "../adapters/host.ts";
import { createMqttBroker, type MqttBrokerOptions, type TextProvider } from "../adapters/mqtt/mqtt-broker.ts";
import { createReplayBus, readCaptureFile } from "../adapters/replay-bus.ts";
import { fetchPublic, fetchSecret } from "../adapters/secrets.ts";
import { createSerialBus } from "../adapters/serial-bus.ts";
import { createServiceManager } from "../adapters/service-manager.ts";
import { openLiveStore } from "../adapters/sqlite/live-store.ts";
import { openOutbox } from "../adapters/sqlite/outbox.ts";
import { createSystemClock } from "../adapters/system-clock.ts";
import { createSystemCrypto } from "../adapters/system-crypto.ts";
import type { NodePlan, StringRef } from "../config/plan.ts";
import { parseGolden } from "../driver-api/golden.ts";
import type { Clock } from "../ports/clock.ts";
import type { Events } from "../ports/events.ts";
import type { Host } from "../ports/host.ts";
import type { MadeSummary } from "../runtime/closer.ts";
import { Node, type StopReport } from "../runtime/node.ts";
import { hasPeople, peopleProblem, withoutPeople } from "../runtime/people.ts";
import { controlPath } from "./node-file.ts";
import { softwareVersion } from "./version.ts";

/** The live store sheds the oldest and counts them beyond this: hours of readings of 20 sensors (hot-path measurements §8.11). */
const LIVE_BYTES_MAX = 64 * 1024 * 1024;

export interface ServiceOptions {
  readonly plan: NodePlan;
  /** The config file: captures are found relative to it. */
  readonly file: string;
  readonly rev: string;
  events(clock: Clock): Events;
  fatal(why: string): void;
  readonly onMade?: (made: MadeSummary) => void;
}

/** A node with everything real around it. */
export interface Service {
  readonly node: Node;
  stop(why: string): Promise<StopReport>;
}

/** Composes the real world and starts the node in it. Rejects when a store cannot be opened or a secret is missing. */
export async function startService(options: ServiceOptions): Promise<Service> {
  const brokerSettings = brokerOptions(options.plan);
  await assertReadable(brokerSettings);
  await assertAlone(options.plan);
  const clock = createSystemClock({ bootId: process.env.STOEP_BOOT_ID });
  const crypto = createSystemCrypto();
  const host = createHost();
  const events = options.events(clock);
  const manager = await createServiceManager(process.env, process.pid);
  const plan = await keepable(options.plan, host, events);
  await makeFolder(plan.storage.directory, "storage.directory");
  const outbox = await openOutbox({ directory: plan.storage.directory, randomBytes: (count) => crypto.randomBytes(count) });
  const livePath = await livePathOf(plan, host, events);
  const live = openLiveStore({ path: livePath, instance: outbox.instance, bootId: clock.bootId, bytesMax: LIVE_BYTES_MAX });
  if (live.discarded !== null) events.emit({ type: "LiveStoreDiscarded", because: live.discarded });
  const base = dirname(resolve(options.file));
  const world = {
    clock,
    crypto,
    events,
    live,
    outbox,
    scheduler: cronScheduler,
    serial: createSerialBus({ clock }),
    gpio: createGpioBus({ clock, path: process.env.PATH ?? "/usr/bin:/bin" }),
    replay: createReplayBus({ clock, readText: (path) => readCaptureFile(resolve(base, path)), parseCapture: parseGolden }),
    broker: createMqttBroker(brokerSettings),
    residentBytes: () => host.residentBytes(),
  };
  const node = await Node.start(plan, world, {
    identity: { version: softwareVersion(), configRev: options.rev, bootId: clock.bootId.slice(0, 8) },
    heartbeat: () => manager.watchdog(),
    onFatal: options.fatal,
    ...(options.onMade === undefined ? {} : { onMade: options.onMade }),
  });
  const control = await openControl(plan, node);
  manager.ready();
  return {
    node,
    async stop(why) {
      manager.stopping();
      const report = await node.stop(why);
      await control?.close();
      manager.close();
      return report;
    },
  };
}

async function openControl(plan: NodePlan, node: Node): Promise<ControlServer | null> {
  const socket = controlPath(plan.storage.live);
  if (socket === null) return null;
  try {
    return await serveControl(socket, { "/status": () => node.status() });
  } catch (error) {
    // A node that nobody can ask must not go on unseen.
    await node.stop("no control socket");
    throw error;
  }
}

/** Why the node cannot be started here and now, and what the operator can do. */
class StartError extends Error {
  readonly remedy: string;

  constructor(message: string, remedy: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "StartError";
    this.remedy = remedy;
  }
}

/** Two nodes on the same stores would give one number to two summaries. */
async function assertAlone(plan: NodePlan): Promise<void> {
  const socket = controlPath(plan.storage.live);
  if (socket === null) return;
  const isRunning = await askControl(socket, "/status").then(
    () => true,
    () => false,
  );
  if (isRunning) throw new StartError(`a node answers on ${socket} already`, "stop it first: systemctl stop stoep");
}

async function makeFolder(path: string, key: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const remedy = `check ${key} in the node file, and that the user of the service may write there`;
    throw new StartError(`cannot make ${path} (${(cause as NodeJS.ErrnoException).code})`, remedy, { cause });
  }
}

/** Streams of people are withheld where this machine cannot keep their readings in memory. */
async function keepable(plan: NodePlan, host: Host, events: Events): Promise<NodePlan> {
  if (!hasPeople(plan)) return plan;
  const problem = await peopleProblem(host);
  if (problem === null) return plan;
  events.emit({ type: "PrivacyWithheld", ...problem });
  return withoutPeople(plan);
}

/** The file of the live store; null, the memory of this process, where the folder is not memory. */
async function livePathOf(plan: NodePlan, host: Host, events: Events): Promise<string | null> {
  const { live } = plan.storage;
  if (live === null) return null;
  await makeFolder(live, "storage.live");
  if ((await host.folder(live))?.on === "memory") return join(live, "live.db");
  events.emit({ type: "LiveStoreOnDisk", path: live });
  return null;
}

function brokerOptions({ node, broker }: NodePlan): MqttBrokerOptions {
  const { url, protocol, keepAliveMs, username, password, tls } = broker;
  return {
    url,
    protocol,
    clientId: node.id,
    keepAliveMs,
    ...(username === null ? {} : { username: secret(username) }),
    ...(password === null ? {} : { password: secret(password) }),
    tls: {
      ...(tls.ca === null ? {} : { ca: certificate(tls.ca) }),
      ...(tls.cert === null ? {} : { cert: certificate(tls.cert) }),
      ...(tls.key === null ? {} : { key: secret(tls.key) }),
    },
  };
}

/** What is missing at the start is a mistake of the operator, and is said at once. What goes missing later is an outage. */
async function assertReadable({ username, password, tls }: MqttBrokerOptions): Promise<void> {
  for (const provider of [username, password, tls?.ca, tls?.cert, tls?.key]) await provider?.();
}

const secret =
  (reference: StringRef): TextProvider =>
  async () =>
    fetchSecret(reference, process.env);

const certificate =
  (reference: StringRef): TextProvider =>
  async () =>
    fetchPublic(reference, process.env);
