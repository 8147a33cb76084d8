import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Actions, ControlServer, Routes, Streams } from "../adapters/control-socket.ts";
import { cronScheduler } from "../adapters/cron-scheduler.ts";
import { createHost } from "../adapters/host.ts";
import { createEvidenceLog } from "../adapters/residency/evidence-log.ts";
import { createSerialBus } from "../adapters/serial-bus.ts";
import { createServiceManager } from "../adapters/service-manager.ts";
import { assertSocketAt } from "../adapters/socket-file.ts";
import { StoreError } from "../adapters/sqlite/database.ts";
import { type DirectoryLock, lockDirectory } from "../adapters/sqlite/directory-lock.ts";
import type { NodeStore } from "../adapters/sqlite/outbox.ts";
import { openStores } from "../adapters/sqlite/stores.ts";
import { createSystemClock } from "../adapters/system-clock.ts";
import { createSystemCrypto } from "../adapters/system-crypto.ts";
import { estimate } from "../config/estimate.ts";
import type { NodePlan } from "../config/plan.ts";
import type { EventLevel } from "../core/events/events.ts";
import type { NodeProblem } from "../core/events/problems.ts";
import { firstConnectMs } from "../core/machine/spread.ts";
import type { Clock } from "../ports/clock.ts";
import type { Events } from "../ports/events.ts";
import type { Host } from "../ports/host.ts";
import { OutboxError } from "../ports/outbox.ts";
import type { EvidenceLog } from "../ports/residency.ts";
import type { ServiceManager } from "../ports/service-manager.ts";
import type { MadeSummary } from "../runtime/closer.ts";
import { metricsText } from "../runtime/metrics.ts";
import { Node, type StopReport, type World } from "../runtime/node.ts";
import { hasPeople, peopleProblems, withoutPeople } from "../runtime/people.ts";
import { sameData } from "../runtime/plan-change.ts";
import type { ReloadRequest } from "../runtime/reload.ts";
import { whenThereIsRoom } from "./await-room.ts";
import { assertReadable, brokerOptions, readableAtStart, wayToBroker, withDatabases } from "./broker-options.ts";
import { FieldPorts } from "./field-ports.ts";
import { makeFolder } from "./folders.ts";
import { maintain } from "./maintenance.ts";
import { MetricsPort } from "./metrics-port.ts";
import { controlPath, type PlannedFile } from "./node-file.ts";
import { type ReloadAnswer, Reloader, type ReloaderWorld } from "./reloader.ts";
import type { RetireWorld } from "./retire-actions.ts";
import { Salvaging } from "./salvaging.ts";
import { StartError } from "./start-error.ts";
import { Undo } from "./undo.ts";
import { softwareVersion } from "./version.ts";

/** The live store sheds the oldest and counts them beyond this: hours of readings of 20 sensors (hot-path measurements §8.11). */
const LIVE_BYTES_MAX = 64 * 1024 * 1024;

export interface ServiceOptions {
  readonly plan: NodePlan;
  /** The config file: relative paths start at its folder. */
  readonly file: string;
  readonly rev: string;
  /** The file as it was read, where it is to be read again on `reload`, and kept when it holds. */
  readonly planned?: PlannedFile;
  /** A file that is on the disk and cannot be used: `rev` is of another one. */
  readonly rejectedRev?: string;
  /** Whether another file that held has its stores elsewhere: then the start fails, rather than to wait for room in this one's. */
  hasElsewhere?(): Promise<boolean>;
  events(clock: Clock): Events & { setLevel?(level: EventLevel): void };
  fatal(why: string): void;
  /** Aborted when the node is to stop before it has started. */
  readonly stopping?: AbortSignal;
  readonly onMade?: (made: MadeSummary) => void;
}

/** A node with everything real around it. */
export interface Service {
  readonly node: Node;
  /** Reads the file again; null where there is none to read. */
  readonly reload: (() => Promise<ReloadAnswer>) | null;
  stop(why: string): Promise<StopReport>;
}

/**
 * Composes the real world and starts the node in it. Rejects when another node has the same folders, a store cannot be opened or a
 * secret is missing; nothing is open then.
 */
export async function startService(options: ServiceOptions): Promise<Service> {
  const undo = new Undo();
  try {
    return await start(options, undo);
  } catch (error) {
    await undo.run();
    throw error;
  }
}

async function start(options: ServiceOptions, undo: Undo): Promise<Service> {
  const base = dirname(resolve(options.file));
  const settings = brokerOptions(options.plan, base);
  const clock = createSystemClock({ bootId: process.env.STOEP_BOOT_ID });
  const host = createHost();
  const events = options.events(clock);
  const manager = await createServiceManager(process.env, process.pid);
  undo.add(() => manager.close());
  const standing = new Set<NodeProblem>();
  const plan = await keepable(withPaths(options.plan, base), host, events, standing);
  await readableAtStart(settings, plan.storage.directory, events);
  await makeFolder(plan.storage.directory, "storage.directory");
  const stopping = options.stopping ?? new AbortController().signal;
  const { lock, ...opened } = await whenThereIsRoom(storesOnce(plan, undo, { clock, host, events, standing }), {
    ...{ clock, events, manager, stopping, directory: plan.storage.directory },
    serve: (status) => serveOn(plan, { "/status": status }),
    ...(options.hasElsewhere === undefined ? {} : { hasElsewhere: options.hasElsewhere }),
  });
  let node: Node | null = null;
  undo.add(() => (node === null ? closeStores(opened) : node.stop("the start failed")));
  const socket = controlPath(plan.storage.live);
  // Before anything is done by this plan: it may be the plan that names a place where there can be none.
  if (socket !== null) await assertSocketAt(socket);
  const connectAfterMs = firstConnect(plan, clock);
  const ports = new FieldPorts(clock, base);
  const evidence = createEvidenceLog(plan.storage.directory, { events });
  const world = {
    ...opened,
    clock,
    events,
    scheduler: cronScheduler,
    serial: createSerialBus({ clock }),
    ...(await ports.for(plan)),
    ...wayToBroker(plan, settings, evidence),
    residentBytes: () => host.residentBytes(),
  };
  const identityOf = identitiesAt(clock);
  node = await Node.start(plan, world, {
    identity: { ...identityOf(plan, options.rev), rejectedRev: options.rejectedRev ?? null },
    ...{ standing, connectAfterMs, heartbeat: () => manager.watchdog() },
    onTold: (says) => manager.status(says),
    onFatal: options.fatal,
    ...(options.onMade === undefined ? {} : { onMade: options.onMade }),
  });
  const prepare = preparer({ base, host, events, ports, evidence, identityOf });
  return await serveNode(node, { options, plan, world, lock, manager, prepare }, undo);
}

/** What stands around a node that was started. */
interface Surroundings {
  readonly options: ServiceOptions;
  readonly plan: NodePlan;
  readonly world: RetireWorld & { readonly outbox: NodeStore; readonly events: Events };
  readonly lock: DirectoryLock;
  readonly manager: ServiceManager;
  readonly prepare: ReloaderWorld["prepare"];
}

/** Makes a node that runs answer, and keeps what goes on beside it. */
async function serveNode(node: Node, around: Surroundings, undo: Undo): Promise<Service> {
  const { options, plan, world, lock, manager, prepare } = around;
  const { file, planned } = options;
  const { clock, events, outbox } = world;
  const reloading = { file, fullFile: resolve(file), node, clock, events, manager, prepare };
  const reloader = planned === undefined ? null : new Reloader(reloading, { planned, plan });
  const metrics = new MetricsPort({
    ...{ clock, events, mark: (isRefused) => node.mark("METRICS_PORT_REFUSED", isRefused) },
    listen: async (port) => (await import("../adapters/control-socket.ts")).serveMetrics(port, () => metricsText(node.status())),
  });
  const reloaded = async (by: Reloader): Promise<ReloadAnswer> => {
    const answer = await by.reload();
    await metrics.follow(node.metricsPort);
    return answer;
  };
  const reload = reloader === null ? null : () => reloaded(reloader);
  void outbox.keepBallast();
  const salvaging = new Salvaging(plan.storage.directory, plan.storage.outbox.maxBytes, world);
  undo.add(() => salvaging.stop());
  const control = await openControl(plan, node, world, reload);
  await metrics.follow(node.metricsPort);
  if (options.rejectedRev === undefined) reloader?.keepWhenItHolds();
  manager.ready();
  return {
    node,
    reload,
    async stop(why) {
      manager.stopping();
      reloader?.stop();
      salvaging.stop();
      const report = await node.stop(why);
      await Promise.all([control?.close(), metrics.close()]);
      lock.release();
      manager.close();
      return report;
    },
  };
}

const identitiesAt =
  ({ bootId }: Clock) =>
  (plan: NodePlan, configRev: string) => ({
    ...{ version: softwareVersion(), configRev, bootId: bootId.slice(0, 8), outboxHours: estimate(plan).outboxHours },
  });

/** What a plan is prepared with when it is to replace another. */
interface Preparation {
  readonly base: string;
  readonly host: Host;
  readonly events: Events;
  readonly ports: FieldPorts;
  readonly evidence: EvidenceLog;
  identityOf(plan: NodePlan, rev: string): ReloadRequest["identity"];
}

/** Turns a planned file into what a running node can take over. A broker that is reached in the same way is kept. */
function preparer({ base, host, events, ports, evidence, identityOf }: Preparation) {
  return async (wanted: PlannedFile & { readonly plan: NodePlan }, before: NodePlan): Promise<ReloadRequest> => {
    const found = new Set<NodeProblem>();
    const next = await keepable(withPaths(wanted.plan, base), host, events, found);
    const request = { plan: next, identity: identityOf(next, wanted.rev), ports: await ports.for(next), standing: found };
    if (sameData(before.broker, next.broker)) return request;
    const to = brokerOptions(next, base);
    await assertReadable(to);
    return { ...request, broker: wayToBroker(next, to, evidence) };
  };
}

/** When power is back in a street all its nodes boot at once. A live store is in memory: where there is one, this boot had a run before. */
function firstConnect({ node, broker, storage }: NodePlan, clock: Clock): number {
  const digest = createSystemCrypto().sha256(`${node.id} ${clock.bootId}`);
  const isRestart = storage.live !== null && existsSync(join(storage.live, "live.db"));
  return firstConnectMs({ digest, uptimeMs: clock.monotonicMs(), isRestart, rangeMs: broker.spreadMs });
}

interface StoresWorld {
  readonly clock: Clock;
  readonly host: Host;
  readonly events: Events;
  readonly standing: Set<NodeProblem>;
}

async function stores(plan: NodePlan, { clock, host, events, standing }: StoresWorld) {
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
  if (outbox.repaired > 0) {
    events.emit({ type: "OutboxRepaired", rows: outbox.repaired });
    standing.add("OUTBOX_REPAIRED");
  }
  if (live.discarded !== null) events.emit({ type: "LiveStoreDiscarded", because: live.discarded });
  return { crypto, outbox, live };
}

/** Opens them, under one lock however often that is tried: a card can be full. */
function storesOnce(plan: NodePlan, undo: Undo, world: StoresWorld) {
  const { directory } = plan.storage;
  let lock: DirectoryLock | null = null;
  return async () => {
    if (lock === null) {
      lock = lockFolder(directory);
      undo.add(() => lock?.release());
    }
    return { lock, ...(await stores(plan, world)) };
  };
}

function lockFolder(directory: string): DirectoryLock {
  try {
    return lockDirectory(directory);
  } catch (cause) {
    if (cause instanceof StoreError || cause instanceof OutboxError) throw cause;
    const remedy = "check storage.directory in the node file, and that the user of the service may write there";
    throw new StartError(`cannot use ${directory} (${cause instanceof Error ? cause.message : String(cause)})`, remedy, { cause });
  }
}

async function closeStores({ outbox, live }: Pick<World, "outbox" | "live">): Promise<void> {
  live.close();
  await outbox.close();
}

async function serveOn(plan: NodePlan, routes: Routes, actions: Actions = {}, streams: Streams = {}): Promise<ControlServer | null> {
  const socket = controlPath(plan.storage.live);
  if (socket === null) return null;
  const { serveControl } = await import("../adapters/control-socket.ts");
  return serveControl(socket, routes, actions, streams);
}

/** Some may take as long as a reload is on trial. */
function openControl(plan: NodePlan, node: Node, world: RetireWorld, reload: Service["reload"]): Promise<ControlServer | null> {
  return serveOn(
    plan,
    { "/status": () => node.status(), "/time": () => node.time.report(), "/metrics": () => metricsText(node.status()) },
    {
      "/time/accept": async () => node.time.accept(),
      "/maintenance": (asked) => maintain(node, asked),
      ...(reload === null ? {} : { "/reload": reload }),
      // Loaded when they are asked for.
      "/retire": async (body) => (await import("./retire-actions.ts")).answerRetire(node, { ...world, broker: node.broker }, body),
      "/outbox/replay": async (body) => (await import("./outbox-actions.ts")).answerReplay(node, body),
    },
    { "/watch": async (asked, reader) => (await import("./watch-actions.ts")).answerWatch(node, world.clock, asked, reader) },
  );
}

/** Streams of people are withheld where this machine cannot keep their readings in memory. */
async function keepable(plan: NodePlan, host: Host, events: Events, standing: Set<NodeProblem>): Promise<NodePlan> {
  if (!hasPeople(plan)) return plan;
  const problems = await peopleProblems(host);
  for (const problem of problems) {
    events.emit({ type: "PrivacyWithheld", ...problem });
    standing.add(problem.code);
  }
  return problems.length === 0 ? plan : withoutPeople(plan);
}

/** The file of the live store; null, the memory of this process, where the folder is not memory. */
async function livePathOf(plan: NodePlan, host: Host, events: Events, standing: Set<NodeProblem>): Promise<string | null> {
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
