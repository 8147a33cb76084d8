import type { NodePlan } from "../../config/plan.ts";
import type { NodeEvent } from "../../core/events/events.ts";
import type { Node } from "../../runtime/node.ts";
import type { LocalStatus } from "../../runtime/status.ts";
import { Chance, type Dice } from "./chance.ts";
import { ClockFaults } from "./clock-faults.ts";
import { DiskFaults } from "./disk-faults.ts";
import { comparable, type Fault, faultsOf } from "./faults.ts";
import { Field } from "./field.ts";
import { Life } from "./life.ts";
import type { OpenStores } from "./machine.ts";
import { MachineClock } from "./machine-clock.ts";
import { readSummary, type Truth } from "./observation.ts";
import { nodeFileOf, PEOPLE_WINDOW_MS, type Scenario, scenarioOf } from "./scenario.ts";
import { Timeline } from "./timeline.ts";
import type { Trace } from "./trace.ts";
import { Uplink } from "./uplink.ts";
import type { WorldOptions } from "./world-options.ts";

/** What the wall clock shows when a world begins: soon before an hour, a day and a longer window end. */
const BEGAN_WALL_MS = Date.UTC(2026, 10, 23, 23, 48, 20);
/** How long the service manager waits before it starts a process again (systemd/stoep.service, RestartSec). */
const RESTART_MS = 5_000;
/** Readings that were told so shortly before a death may not have been flushed: one tick of 250 ms, and what it takes. */
const UNFLUSHED_MS = 700;
/** The longest that nobody vouches for the wall clock after a machine has started. */
const UNTRUSTED_MS_MAX = 100_000;
/** How often a node is asked how it is. */
const ASK_EVERY_MS = 30_000;
const CARD_EVERY_MS = 600_000;

/** A simulated lamp post: a node with everything around it, and whatever goes wrong. */
export class SimulatedWorld implements Truth {
  readonly beganWallMs = BEGAN_WALL_MS;
  readonly timeline = new Timeline();
  readonly scenario: Scenario;
  readonly faults: readonly Fault[];
  readonly trace: Trace;
  readonly #options: WorldOptions;
  readonly #clock: MachineClock;
  readonly #wall: ClockFaults;
  readonly #field: Field;
  readonly #uplink: Uplink;
  readonly #disk: DiskFaults;
  readonly #noise: Dice;
  readonly #jitter: Dice;
  readonly #made = new Set<string>();
  #plan: NodePlan | null = null;
  #life: Life | null = null;
  #lives = 0;
  #seen = 0;
  #noRandomness = 0;
  #isOff = false;
  #isOver = false;

  constructor(options: WorldOptions) {
    const chance = new Chance(options.seed);
    this.#options = options;
    this.scenario = scenarioOf(chance, options.isEmptyStreet);
    this.#clock = new MachineClock(this.timeline, BEGAN_WALL_MS);
    this.trace = options.trace(() => new Date(this.#clock.wallMs).toISOString().slice(11, 23));
    this.#wall = new ClockFaults(this.#clock, (what) => this.trace.say(what));
    const clock = this.#clock;
    const labeller = {
      get boot() {
        return clock.boot;
      },
      label: () => (clock.wasTrusted ? clock.wallMs : null),
    };
    this.#field = new Field(this.scenario, chance, this.timeline, labeller);
    this.#uplink = new Uplink(this.scenario, chance, this.timeline);
    this.#disk = new DiskFaults(
      { crash: (store) => this.#die(`between two statements of ${store}.db`), stall: (forMs) => this.timeline.stall(forMs) },
      chance.of("disk"),
    );
    this.#noise = chance.of("noise");
    this.#jitter = chance.of("jitter");
    const faults = faultsOf(chance, this.#field.sensors, options.faultsForMs);
    this.faults = options.isComparable ? faults.map(comparable) : faults;
  }

  get logs(): Field["logs"] {
    return this.#field.logs;
  }

  get lives(): number {
    return this.#lives;
  }

  wasTrusted(): boolean {
    return this.#clock.wasTrusted;
  }

  latestWallMs(): number {
    return this.#wall.latestMs;
  }

  earliestWallMs(): number {
    return this.#wall.earliestMs;
  }

  isBlurred(fromMs: number, toMs: number): boolean {
    return this.#wall.isBlurred(fromMs, toMs);
  }

  /** Runs the faults, and the quiet time after them. Whatever is observed goes to `observe`, until `isOver`. */
  async run(isOver: () => boolean): Promise<void> {
    const { machine, faultsForMs } = this.#options;
    this.#plan = await machine.plan(nodeFileOf(this.scenario));
    this.timeline.onStep = () => this.#look();
    machine.onUnhandled((error) => this.#unhandled(error));
    this.#field.begin();
    for (const fault of this.faults) this.timeline.at(fault.atMs, () => this.#begins(fault));
    this.#start();
    this.#everySoOften();
    await this.timeline.runUntil(faultsForMs, isOver);
    this.trace.say("faults are over");
    // Nobody can say how far the clock is ahead before it is right.
    if (!this.#clock.wasTrusted) await this.timeline.runUntil(this.timeline.nowMs + UNTRUSTED_MS_MAX, isOver);
    await this.timeline.runUntil(this.timeline.nowMs + this.#quietMs(), isOver);
    if (!isOver()) await this.#finish(isOver);
    this.#life?.end();
  }

  /**
   * Until everything that was put off is done: a clock that was ahead, the longest backoff of a connection (300 s), the pause of a row
   * that was refused (60 s), a window of people.
   */
  #quietMs(): number {
    const aheadMs = Math.max(0, this.#wall.latestMs - this.#clock.wallMs);
    return aheadMs + 400_000 + PEOPLE_WINDOW_MS;
  }

  async #finish(isOver: () => boolean): Promise<void> {
    // Not on the border of windows, when some are on their way; they take a moment to arrive.
    const sinceBorderMs = this.#clock.wallMs % PEOPLE_WINDOW_MS;
    await this.timeline.runUntil(this.timeline.nowMs + ((PEOPLE_WINDOW_MS + 58_000 - sinceBorderMs) % PEOPLE_WINDOW_MS), isOver);
    const life = this.#life;
    const node = life?.node ?? null;
    if (life?.stores === null || life?.stores === undefined || node === null) {
      return this.#died("when faults are over the node does not run");
    }
    const { outbox } = life.stores;
    const { machine, observe } = this.#options;
    observe({ type: "card", files: machine.card() });
    const departures = machine.departures();
    observe({ type: "end", instance: outbox.instance, standing: outbox.standing(), local: node.status(), departures });
    this.#isOver = true;
    this.#field.end();
    let isStopped = false;
    const stopping = node.stop("the end").then(() => {
      isStopped = true;
    });
    await this.timeline.runUntil(this.timeline.nowMs + 60_000, () => isStopped);
    if (!isStopped) return this.#died("the node does not stop within a minute");
    await stopping;
  }

  #died(of: string): void {
    this.#options.observe({ type: "died", of });
  }

  #start(): void {
    const { machine, spoil, observe } = this.#options;
    const { serial, gpio } = this.#field;
    machine.bury();
    this.#field.processBegins(this.#clock.poweredAtMs);
    this.#lives++;
    const life = new Life({
      plan: this.#plan as NodePlan,
      machine,
      clock: this.#clock,
      serial,
      gpio,
      broker: this.#uplink.port,
      noise: this.#noise,
      jitter: this.#jitter,
      spoil,
      statement: (store, statement) => this.#disk.step(store, statement),
      isRandomnessGone: () => this.#noRandomness > 0,
      opened: (stores) => this.#opened(stores),
      event: (event) => this.#hear(event),
      told: (sensor, event) => this.#field.told(sensor, event),
      wrote: (path, data) => this.#field.wrote(path, data),
      links: (count) => observe({ type: "links", count }),
      drawn: (what) => observe({ type: "drawn", what }),
      died: (error) => this.#died(stackOf(error)),
    });
    this.#life = life;
    life.begin().catch((error: unknown) => this.#couldNotStart(life, error));
  }

  /** Of a life that is over, whose code runs into nothing, it says nothing. */
  #unhandled(error: unknown): void {
    if (this.#life?.isAlive === true) this.#died(`nobody met ${stackOf(error)}`);
  }

  /** What a store says of its disk is no fault of the node: it is started again. Everything else is. */
  #couldNotStart(life: Life, error: unknown): void {
    if (!life.isAlive) return;
    const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
    if (!["OutboxError", "LiveStoreError", "StoreError"].includes(name)) {
      this.#died(`at its start: ${stackOf(error)}`);
    }
    this.#die(`it could not start: ${message}`);
  }

  #opened({ outbox, isRenewed, discarded }: OpenStores): void {
    const { instance, run } = outbox;
    const standing = outbox.standing();
    this.trace.say(
      `opened ${instance} run ${run}, summaries to ${standing.lastSeq}, ${standing.pendingRows} rows wait, ${discarded ?? "live kept"}`,
    );
    if (isRenewed) this.#died(`the store ${instance} got a new name, and was not moved`);
    this.#options.observe({ type: "opened", instance, run, standing });
  }

  #hear(event: NodeEvent): void {
    const text = JSON.stringify(event);
    this.trace.say(text);
    if (event.type === "SummaryMade") this.#made.add(`${event.stream} ${Date.parse(event.window)}`);
    this.#options.observe({ type: "event", event });
    this.#options.observe({ type: "told", where: "log", text });
  }

  /** After each step: what has the broker got since? */
  #look(): void {
    this.#wall.look();
    const { received } = this.#uplink.port;
    for (; this.#seen < received.length; this.#seen++) {
      const { topic, payload, isWill } = received[this.#seen] as (typeof received)[number];
      const text = new TextDecoder().decode(payload);
      this.trace.say(`${isWill ? "will" : "heard"} ${topic} ${text}`);
      if (topic.endsWith("/summary")) this.#options.observe({ type: "heard", summary: readSummary(text) });
      else this.#options.observe({ type: "told", where: topic, text });
    }
  }

  #everySoOften(): void {
    this.timeline.after(ASK_EVERY_MS, () => {
      if (this.#isOver) return;
      this.#ask();
      this.#everySoOften();
    });
  }

  #ask(): void {
    const { observe, machine } = this.#options;
    const node = this.#life?.node ?? null;
    if (node === null || this.#life === null || this.#life.stores === null) return;
    const { outbox } = this.#life.stores;
    const local = this.#statusOf(node);
    if (local === null) return;
    observe({ type: "status", instance: outbox.instance, standing: outbox.standing(), local });
    observe({ type: "told", where: "stoep status", text: JSON.stringify(local) });
    if (this.timeline.nowMs % CARD_EVERY_MS < ASK_EVERY_MS) observe({ type: "card", files: machine.card() });
  }

  /** Null: the node died of the question. */
  #statusOf(node: Node): LocalStatus | null {
    try {
      const status = node.status();
      return this.#life?.node === node ? status : null;
    } catch (error) {
      if (this.#life?.node === node) throw error;
      return null;
    }
  }

  #begins(fault: Fault): void {
    const { kind, sensor, forMs } = fault;
    const inField = ["unplug", "silence", "garble", "refuse-port", "bounce"].includes(kind);
    this.trace.say(`FAULT ${kind}${inField ? ` of ${sensor}` : ""} for ${forMs / 1_000} s`);
    const end = this.#beginning(fault, inField);
    this.timeline.after(forMs, () => {
      end();
      this.trace.say(`fault ${kind} is over`);
    });
  }

  #beginning(fault: Fault, inField: boolean): () => void {
    if (inField) return this.#field.begins(fault);
    switch (fault.kind) {
      case "step-small":
      case "step-large":
      case "lose-trust":
        return this.#wall.begins(fault);
      case "kill":
        this.#die("killed", fault.forMs);
        return () => undefined;
      case "power-cut":
        return this.#cutPower(fault);
      case "no-randomness":
        this.#noRandomness++;
        return () => void this.#noRandomness--;
      case "live-full":
        // Nothing can be stored, and the node says so: readings are counted as dropped.
        this.#field.doubt(null, this.timeline.nowMs - UNFLUSHED_MS, this.timeline.nowMs + fault.forMs + UNFLUSHED_MS);
        return this.#disk.begins(fault);
      case "crash-node":
      case "crash-live":
      case "disk-full":
      case "disk-error":
      case "stall":
        return this.#disk.begins(fault);
      default:
        return this.#uplink.begins(fault);
    }
  }

  /** The machine is off for a while; then its wall clock is wrong until somebody vouches for it. */
  #cutPower({ forMs, lot }: Fault): () => void {
    const { machine } = this.#options;
    this.#isOff = true;
    this.#die("the power was cut", forMs);
    machine.cutPower();
    for (const log of this.logs.values()) log.forgetUnmade((startMs) => this.#made.has(`${log.id} ${startMs}`));
    return () => {
      const wrongByMs = (lot % 3 === 0 ? 1 : -1) * (lot % 40_000_000);
      this.#clock.reboot(wrongByMs);
      this.#isOff = false;
      const untrustedMs = lot % 5 === 0 ? 0 : lot % UNTRUSTED_MS_MAX;
      this.timeline.after(untrustedMs, () => {
        this.#clock.vouch(-wrongByMs);
        for (const log of this.logs.values()) log.label(this.#clock.boot, this.#clock.wallOffsetMs);
        this.trace.say("somebody vouches for the wall clock");
      });
    };
  }

  /** The process is gone from this instant on. It is started again, unless the machine is off. */
  #die(how: string, againAfterMs = RESTART_MS): void {
    const life = this.#life;
    if (life === null || !life.isAlive) return;
    this.trace.say(`the process dies: ${how}`);
    this.#options.machine.kill();
    life.end();
    this.#field.doubt(null, this.timeline.ranUntilMs(UNFLUSHED_MS) - UNFLUSHED_MS, this.timeline.nowMs);
    this.timeline.after(Math.max(againAfterMs, 1) + 1, () => this.#startAgain(life));
  }

  #startAgain(after: Life): void {
    if (this.#life !== after) return;
    if (this.#isOff) this.timeline.after(RESTART_MS, () => this.#startAgain(after));
    else this.#start();
  }
}

const stackOf = (error: unknown): string => (error instanceof Error ? (error.stack ?? error.message) : String(error));
