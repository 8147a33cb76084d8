import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { ControlServer } from "../adapters/control-socket.ts";
import { cronScheduler } from "../adapters/cron-scheduler.ts";
import { createHost } from "../adapters/host.ts";
import { createMqttBroker } from "../adapters/mqtt/mqtt-broker.ts";
import { createSerialBus } from "../adapters/serial-bus.ts";
import { createServiceManager } from "../adapters/service-manager.ts";
import { lockDirectory } from "../adapters/sqlite/directory-lock.ts";
import { openStores } from "../adapters/sqlite/stores.ts";
import { createSystemClock } from "../adapters/system-clock.ts";
import { createSystemCrypto } from "../adapters/system-crypto.ts";
import { estimate } from "../config/estimate.ts";
import type { NodePlan, PortPlan } from "../config/plan.ts";
import { firstConnectMs } from "../core/machine/spread.ts";
import type { Clock } from "../ports/clock.ts";
import type { Events } from "../ports/events.ts";
import type { GpioBus, ReplayBus } from "../ports/field-port.ts";
import type { Host } from "../ports/host.ts";
import type { MadeSummary } from "../runtime/closer.ts";
import { Node, type StopReport } from "../runtime/node.ts";
import { hasPeople, peopleProblems, withoutPeople } from "../runtime/people.ts";
import { assertReadable, brokerOptions, residencyWorld, withDatabases } from "./broker-options.ts";
import { controlPath } from "./node-file.ts";
import type { RetireWorld } from "./retire-actions.ts";
import { softwareVersion } from "./version.ts";

/** The live store sheds the oldest and counts them beyond this: hours of readings of 20 sensors (hot-path measurements §8.11). */
const LIVE_BYTES_MAX = 64 * 1024 * 1024;

export interface ServiceOptions {
  readonly plan: NodePlan;
  /** The config file: relative paths start at its folder. */
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

/**
 * Composes the real world and starts the node in it. Rejects when another node has the same folders, a store cannot be opened or a
 * secret is missing.
 */
export async function startService(options: ServiceOptions): Promise<Service> {
  const base = dirname(resolve(options.file));
  const settings = brokerOptions(options.plan, base);
  await assertReadable(settings);
  const clock = createSystemClock({ bootId: process.env.STOEP_BOOT_ID });
  const host = createHost();
  const events = options.events(clock);
  const manager = await createServiceManager(process.env, process.pid);
  const standing = new Set<string>();
  const plan = await keepable(withPaths(options.plan, base), host, events, standing);
  await makeFolder(plan.storage.directory, "storage.directory");
  const lock = lockDirectory(plan.storage.directory);
  const broker = createMqttBroker(settings);
  const connectAfterMs = firstConnect(plan, clock);
  const world = {
    ...(await stores(plan, clock, host, events, standing)),
    clock,
    events,
    scheduler: cronScheduler,
    serial: createSerialBus({ clock }),
    gpio: await gpioBus(plan, clock),
    replay: await replayBus(plan, clock, base),
    broker,
    identity: broker.identity,
    residency: residencyWorld(plan),
    residentBytes: () => host.residentBytes(),
  };
  const bootId = clock.bootId.slice(0, 8);
  const node = await Node.start(plan, world, {
    identity: { version: softwareVersion(), configRev: options.rev, bootId, outboxHours: estimate(plan).outboxHours },
    standing,
    connectAfterMs,
    heartbeat: () => manager.watchdog(),
    onFatal: options.fatal,
    ...(options.onMade === undefined ? {} : { onMade: options.onMade }),
  });
  const control = await openControl(plan, node, { ...world, broker: node.broker });
  manager.ready();
  return {
    node,
    async stop(why) {
      manager.stopping();
      const report = await node.stop(why);
      await control?.close();
      lock.release();
      manager.close();
      return report;
    },
  };
}

/** When power is back in a street all its nodes boot at once. A live store is in memory: where there is one, this boot had a run before. */
function firstConnect({ node, broker, storage }: NodePlan, clock: Clock): number {
  const digest = createSystemCrypto().sha256(`${node.id} ${clock.bootId}`);
  const isRestart = storage.live !== null && existsSync(join(storage.live, "live.db"));
  return firstConnectMs({ digest, uptimeMs: clock.monotonicMs(), isRestart, rangeMs: broker.spreadMs });
}

const stands = ({ sensors }: NodePlan, on: PortPlan["is"]): boolean => sensors.some(({ port }) => port.is === on);

/** Loaded for nodes with lines to watch only, like the next: it is much code, and the first reading waits for it. */
async function gpioBus(plan: NodePlan, clock: Clock): Promise<GpioBus> {
  if (!stands(plan, "gpio")) return NO_GPIO;
  const { createGpioBus } = await import("../adapters/gpio/gpio-bus.ts");
  return createGpioBus({ clock, path: process.env.PATH ?? "/usr/bin:/bin" });
}

async function replayBus(plan: NodePlan, clock: Clock, base: string): Promise<ReplayBus> {
  if (!stands(plan, "replay")) return NO_REPLAY;
  const { createReplayBus, readCaptureFile } = await import("../adapters/replay-bus.ts");
  const { parseGolden } = await import("../driver-api/golden.ts");
  return createReplayBus({ clock, readText: (path) => readCaptureFile(resolve(base, path)), parseCapture: parseGolden });
}

const unplanned = (): never => {
  throw new Error("bug: a port of a kind that no sensor of the plan has");
};
const NO_GPIO: GpioBus = { probe: unplanned, watch: unplanned, close: () => {} };
const NO_REPLAY: ReplayBus = { open: unplanned };

async function stores(plan: NodePlan, clock: Clock, host: Host, events: Events, standing: Set<string>) {
  const crypto = createSystemCrypto();
  const path = await livePathOf(plan, host, events, standing);
  const { outbox, live } = await openStores({
    directory: plan.storage.directory,
    live: { path, bootId: clock.bootId, bytesMax: LIVE_BYTES_MAX },
    machine: await host.machine(),
    wallMs: clock.wallMs(),
    randomBytes: (count) => crypto.randomBytes(count),
  });
  if (outbox.renewed !== null) {
    events.emit({ type: "InstanceRenewed", because: outbox.renewed });
    standing.add("INSTANCE_RENEWED");
  }
  if (live.discarded !== null) events.emit({ type: "LiveStoreDiscarded", because: live.discarded });
  return { crypto, outbox, live };
}

async function openControl(plan: NodePlan, node: Node, world: RetireWorld): Promise<ControlServer | null> {
  const socket = controlPath(plan.storage.live);
  if (socket === null) return null;
  try {
    const { serveControl } = await import("../adapters/control-socket.ts");
    return await serveControl(
      socket,
      {
        "/status": () => node.status(),
        "/time": () => node.time.report(),
      },
      {
        "/time/accept": async () => node.time.accept(),
        // Loaded when it is asked for.
        "/retire": async (body) => (await import("./retire-actions.ts")).answerRetire(node, world, body),
      },
    );
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

async function makeFolder(path: string, key: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    const remedy = `check ${key} in the node file, and that the user of the service may write there`;
    throw new StartError(`cannot make ${path} (${(cause as NodeJS.ErrnoException).code})`, remedy, { cause });
  }
}

/** Streams of people are withheld where this machine cannot keep their readings in memory. */
async function keepable(plan: NodePlan, host: Host, events: Events, standing: Set<string>): Promise<NodePlan> {
  if (!hasPeople(plan)) return plan;
  const problems = await peopleProblems(host);
  for (const problem of problems) {
    events.emit({ type: "PrivacyWithheld", ...problem });
    standing.add(problem.code);
  }
  return problems.length === 0 ? plan : withoutPeople(plan);
}

/** The file of the live store; null, the memory of this process, where the folder is not memory. */
async function livePathOf(plan: NodePlan, host: Host, events: Events, standing: Set<string>): Promise<string | null> {
  const { live } = plan.storage;
  if (live === null) return null;
  await makeFolder(live, "storage.live");
  if ((await host.folder(live))?.on === "memory") return join(live, "live.db");
  events.emit({ type: "LiveStoreOnDisk", path: live });
  standing.add("LIVE_NOT_TMPFS");
  return null;
}

/** Relative paths start at the folder of the file. */
function withPaths(plan: NodePlan, base: string): NodePlan {
  const { directory, live, ...rest } = plan.storage;
  const storage = { ...rest, directory: resolve(base, directory), live: live === null ? null : resolve(base, live) };
  return { ...plan, storage, broker: withDatabases(plan.broker, base) };
}
