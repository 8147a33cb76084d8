import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir, uptime } from "node:os";
import { join } from "node:path";
import { Chance } from "../../../src/testing/simulation/chance.ts";
import { type FakeGpioTools, makeFakeGpioTools } from "../../support/fake-gpio-tools.ts";
import type { Lab } from "../../support/lab.ts";
import { type NodeProcess, type NodeSite, PREFIX } from "../../support/node-process.ts";
import type { PtyPair } from "../../support/pty.ts";
import type { Subscriber } from "../../support/subscriber.ts";
import { TIMEOUT_MS } from "../instruments/modbus.ts";
import { W1_SLAVE } from "../instruments/thermometer.ts";
import { LINES, partsOf, SENSORS, type Wiring } from "../layout.ts";
import { type Ground, Street } from "../street.ts";

/** How often the lines are asked what the node wrote, and the node's log what was opened. */
const LOOK_EVERY_MS = 10;
const NS_PER_MS = 1e6;
const LATE_MS = TIMEOUT_MS / 2;

/** A street on real lines: the built program in a process of its own, pseudo terminals, stand-ins for gpiomon, mosquitto, a subscriber. */
export class RealStreet {
  readonly street: Street;
  /** The most that our own timers were late: what else runs on this machine may have kept the node waiting as long. */
  lateMsMax = 0;
  node!: NodeProcess;
  site!: NodeSite;
  subscriber!: Subscriber;
  /** When timers were so late. */
  readonly #late: number[] = [];
  readonly #ptys = new Map<string, PtyPair>();
  readonly #cut = new Set<string>();
  readonly #tools: FakeGpioTools = makeFakeGpioTools(2);
  readonly #devices = mkdtempSync(join(tmpdir(), "stoep-w1-"));
  readonly #offsets = new Map<string, number>();
  /** What the wall clock showed when the monotonic clock stood at 0, ms. */
  readonly #bootMs = Date.now() - Number(process.hrtime.bigint()) / NS_PER_MS;
  #lines = 0;
  #isOver = false;
  #looking: NodeJS.Timeout | null = null;

  constructor(seed: number) {
    const ground: Ground = {
      nowMs: () => Date.now(),
      poweredAtMs: Date.now() - uptime() * 1_000,
      after: (delayMs, task) => this.#after(delayMs, task),
      feed: (sensor, data) => this.#feed(sensor, data),
      show: (sensor, text) => this.#show(sensor, text),
      level: (sensor, line, high, atMs) => this.#level(sensor, line, high, atMs),
    };
    this.street = new Street(LINES, new Chance(seed), ground);
    for (const id of this.street.files) this.#show(id, "");
    for (const id of this.street.contacts)
      for (const line of this.street.contact(id)?.lines ?? []) this.#tools.move(this.#offsetOf(id, line), true);
  }

  /** Starts everything, and has the street begin once every port is open. */
  async begin(lab: Lab): Promise<void> {
    const broker = await lab.mosquitto({ config: ["allow_anonymous true", "max_queued_messages 0"] });
    this.subscriber = await lab.subscriber(broker.url);
    for (const id of this.street.serial) this.#ptys.set(id, await lab.pty());
    const wiring: Wiring = {
      path: (sensor) => this.#ptys.get(sensor)?.path ?? "",
      line: (sensor, line) => `GPIO${this.#offsetOf(sensor, line)}`,
      folder: (sensor) => join(this.#devices, sensor),
    };
    this.site = lab.site({ broker: { url: broker.url, prefix: PREFIX }, window: "1m", ...partsOf(this.street, wiring) });
    this.node = this.site.run({ PATH: this.#tools.path });
    this.#looking = setInterval(() => this.#look(), LOOK_EVERY_MS);
    for (const id of SENSORS) await this.node.event("SensorOpened", ({ sensor }) => sensor === id);
    this.#look();
    this.street.begin();
  }

  /** Whether this machine kept us waiting within a time, or just beside it, for so long that right answers may have come too late. */
  wasLate(fromMs: number, toMs: number): boolean {
    return this.#late.some((atMs) => atMs > fromMs - TIMEOUT_MS && atMs < toMs + 2 * TIMEOUT_MS);
  }

  /** Pulls the plug of a sensor on a serial line. */
  async unplug(sensor: string): Promise<void> {
    this.#cut.add(sensor);
    await this.#ptys.get(sensor)?.cut();
  }

  async plug(sensor: string): Promise<void> {
    await this.#ptys.get(sensor)?.restore();
    this.#cut.delete(sensor);
  }

  async end(): Promise<void> {
    this.street.end();
    this.#isOver = true;
    if (this.#looking !== null) clearInterval(this.#looking);
    await this.#tools.dispose();
    rmSync(this.#devices, { recursive: true, force: true });
  }

  #after(delayMs: number, task: () => void): void {
    const dueMs = performance.now() + Math.max(0, delayMs);
    setTimeout(
      () => {
        const lateMs = performance.now() - dueMs;
        this.lateMsMax = Math.max(this.lateMsMax, lateMs);
        if (lateMs > LATE_MS) this.#late.push(Date.now());
        if (!this.#isOver) task();
      },
      Math.max(0, delayMs),
    );
  }

  /** The stand-in tells every edge; the kernel tells those that were asked for. */
  #level(sensor: string, line: string, high: boolean, atMs: number): void {
    const isWatched = this.street.contact(sensor)?.edge === "both" || !high;
    if (isWatched) this.#tools.move(this.#offsetOf(sensor, line), high, this.#stampOf(atMs));
  }

  /** Whole at once, as the kernel shows it. */
  #show(sensor: string, text: string): void {
    const folder = join(this.#devices, sensor);
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "next"), text);
    renameSync(join(folder, "next"), join(folder, W1_SLAVE));
  }

  #feed(sensor: string, data: Uint8Array): boolean {
    const pty = this.#ptys.get(sensor);
    if (pty === undefined || this.#cut.has(sensor)) return false;
    void pty.feed(data);
    return true;
  }

  /** What the node wrote, and which ports it opened and closed. */
  #look(): void {
    const { log } = this.node;
    for (; this.#lines < log.length; this.#lines++) {
      const { event, sensor } = log[this.#lines] as { event: string; sensor?: string };
      if (event === "SensorOpened") this.street.opened(String(sensor));
      else if (event === "SensorClosed") this.street.closed(String(sensor));
    }
    for (const [id, pty] of this.#ptys) {
      const data = this.#cut.has(id) ? [] : pty.received();
      if (data.length > 0) this.street.heard(id, Uint8Array.from(data));
    }
  }

  #offsetOf(sensor: string, line: string): number {
    const key = `${sensor}/${line}`;
    const known = this.#offsets.get(key) ?? this.#offsets.size;
    this.#offsets.set(key, known);
    return known;
  }

  #stampOf(atMs: number): bigint {
    return BigInt(Math.round((atMs - this.#bootMs) * NS_PER_MS));
  }
}
