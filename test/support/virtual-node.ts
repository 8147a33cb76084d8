import { createHash, createHmac } from "node:crypto";
import type { NodePlan } from "../../src/config/plan.ts";
import type { Cancel } from "../../src/ports/clock.ts";
import type { Crypto } from "../../src/ports/crypto.ts";
import type { FieldPort, PortFault, PortListener } from "../../src/ports/field-port.ts";
import type { Scheduler } from "../../src/ports/scheduler.ts";
import { Node, type NodeOptions, type StopReport, type World } from "../../src/runtime/node.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { FakeLiveStore } from "./fake-live-store.ts";
import { FakeOutbox } from "./fake-outbox.ts";
import { seededBytes } from "./noise/seeded-bytes.ts";
import { RecordingEvents } from "./recording-events.ts";
import { ScriptedBroker } from "./scripted-broker.ts";

/** No randomness: jitter is in the middle. */
export const fixedCrypto: Crypto = {
  fillRandom: (bytes) => seededBytes(7).fillRandom(bytes), // the same bytes each time; noise needs some that differ among themselves
  randomBytes: (count) => new Uint8Array(count).fill(7),
  jitter: () => 0.5,
  keyedHash: (key, bytes) => createHmac("sha256", key).update(bytes).digest(),
  sha256: (text) => createHash("sha256").update(text).digest("hex"),
};

/** One opening of a port. */
export interface SeenPort {
  readonly path: string;
  readonly settings: unknown;
  readonly listener: PortListener;
  readonly written: Uint8Array[];
  isClosed: boolean;
}

/** Serial lines, GPIO lines and replays that open at once, unless a test refuses them. */
export class FakePorts {
  readonly opened: SeenPort[] = [];
  readonly refused = new Map<string, PortFault>();
  readonly #clock: VirtualClock;

  constructor(clock: VirtualClock) {
    this.#clock = clock;
  }

  open(path: string, settings: unknown, listener: PortListener): FieldPort {
    const port: SeenPort = { path, settings, listener, written: [], isClosed: false };
    this.opened.push(port);
    this.#clock.after(1, () => {
      if (port.isClosed) return;
      const code = this.refused.get(path);
      if (code === undefined) listener({ type: "opened", settings: {} });
      else listener({ type: "closed", code, detail: "refused by a test", remedy: "" });
    });
    return {
      write: (data) => port.written.push(data),
      signal: () => undefined,
      close: () => {
        port.isClosed = true;
      },
    };
  }

  /** The newest opening of a path. */
  last(path: string): SeenPort {
    const port = this.opened.filter((one) => one.path === path).at(-1);
    if (port === undefined) throw new Error(`${path} was never opened`);
    return port;
  }

  /** A line of text arrives. */
  say(path: string, text: string): void {
    const port = this.last(path);
    if (!port.isClosed) port.listener({ type: "bytes", data: new TextEncoder().encode(text) });
  }
}

/** A scheduler whose tasks run when a test says so. */
export class ManualScheduler implements Scheduler {
  readonly tasks = new Map<string, () => Promise<void>>();

  every(cron: string, task: () => Promise<void>): Cancel {
    this.tasks.set(cron, task);
    return () => void this.tasks.delete(cron);
  }
}

/** A whole node on virtual time, over fakes of every port. */
export class VirtualNode {
  readonly clock: VirtualClock;
  readonly live = new FakeLiveStore();
  readonly outbox = new FakeOutbox();
  readonly events = new RecordingEvents();
  readonly broker: ScriptedBroker;
  readonly ports: FakePorts;
  readonly scheduler = new ManualScheduler();
  readonly world: World;
  heartbeats = 0;
  readonly fatal: string[] = [];
  #node: Node | null = null;

  /** `changes`: parts of the world that a test brings itself. */
  constructor(clock = new VirtualClock(), changes: Partial<World> = {}) {
    this.clock = clock;
    this.broker = new ScriptedBroker(clock);
    this.broker.friendly = true;
    this.ports = new FakePorts(clock);
    const ports = this.ports;
    this.world = {
      clock,
      crypto: fixedCrypto,
      events: this.events,
      scheduler: this.scheduler,
      serial: { open: (path, settings, listener) => ports.open(path, settings, listener), realPath: (path) => path },
      gpio: {
        probe: () => Promise.resolve({ backend: "fake", detail: "a test", limits: [], remedy: "" }),
        watch: (lines, listener) => Object.assign(ports.open("gpio", lines, listener), { ignoredEdges: () => 0 }),
        close: () => undefined,
      },
      files: { open: (path, listener) => Object.assign(ports.open(path, {}, listener), { request: () => undefined }) },
      replay: { open: (replay, listener) => ports.open(replay.file, replay, listener) },
      live: this.live,
      outbox: this.outbox,
      broker: this.broker,
      residentBytes: () => 64_000_000,
      ...changes,
    };
  }

  get node(): Node {
    if (this.#node === null) throw new Error("the node was not started");
    return this.#node;
  }

  async start(plan: NodePlan, options: Partial<NodeOptions> = {}): Promise<Node> {
    this.#node = await Node.start(plan, this.world, {
      identity: { version: "0.1.0", configRev: "c0ffee00", bootId: this.clock.bootId, outboxHours: 720 },
      heartbeat: () => {
        this.heartbeats++;
      },
      onFatal: (code) => this.fatal.push(code),
      ...options,
    });
    return this.#node;
  }

  /** Stops the node while time goes on. */
  async stop(reason = "test"): Promise<StopReport> {
    let report: StopReport | null = null;
    const stopping = this.node.stop(reason).then((one) => {
      report = one;
    });
    for (let step = 0; step < 1_000 && report === null; step++) await this.clock.advance(20);
    await stopping;
    if (report === null) throw new Error("the node did not stop within 20 s");
    return report;
  }
}
