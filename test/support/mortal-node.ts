import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { databaseFiles } from "../../src/adapters/sqlite/database.ts";
import { liveWitness, openLiveStore } from "../../src/adapters/sqlite/live-store.ts";
import { openOutbox } from "../../src/adapters/sqlite/outbox.ts";
import { openStores, type Stores } from "../../src/adapters/sqlite/stores.ts";
import { epsilonMicro } from "../../src/core/units/epsilon.ts";
import { MINUTE_MS, SECOND_MS } from "../../src/core/units/time.ts";
import { OutboxError } from "../../src/ports/outbox.ts";
import { FLUSH_EVERY_MS } from "../../src/runtime/ingest.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { seededBytes } from "./noise/seeded-bytes.ts";
import { driverOf, nodePlan, PASSAGES, sensorPlan, streamPlan } from "./plans.ts";
import { ScriptedBroker } from "./scripted-broker.ts";
import { fixedCrypto, VirtualNode } from "./virtual-node.ts";

/** Where a process can die while a window is released, in order. */
export const STEPS = [
  "before the claim",
  "after the claim",
  "while noise is drawn",
  "before the commit",
  "after the commit",
  "before the purge",
  "after the purge",
  "before the publish",
  "after the publish",
  "before the acknowledgement is written",
  "after the acknowledgement is written",
] as const;
export type Step = (typeof STEPS)[number];

/** How the stores are spoiled. */
export interface Spoiled {
  /** Claims of draws are noted and not heeded. */
  readonly claims?: true;
  /** live.db is taken whatever node.db is beside it, and does not say how far that was. */
  readonly binding?: true;
}

/** What one lamp post keeps: a folder on the card, one in memory. */
export interface Place {
  readonly card: string;
  readonly memory: string;
}

const TMPFS = "/dev/shm";
const root = mkdtempSync(join(tmpdir(), "stoep-mortal-"));
const memoryRoot = mkdtempSync(join(existsSync(TMPFS) ? TMPFS : tmpdir(), "stoep-mortal-"));
let places = 0;

export function freshPlace(): Place {
  const name = String(places++);
  const place = { card: join(root, name), memory: join(memoryRoot, name) };
  mkdirSync(place.card);
  mkdirSync(place.memory);
  return place;
}

/** After the last test of a file. */
export function removePlaces(): void {
  for (const folder of [root, memoryRoot]) rmSync(folder, { recursive: true, force: true });
}

/** Copies a database as it is at this instant, write-ahead log and all; what was at `to` is gone. */
export function copyDatabase(from: string, to: string): void {
  for (const [index, file] of databaseFiles(from).entries()) {
    const target = databaseFiles(to)[index] as string;
    rmSync(target, { force: true });
    if (existsSync(file)) copyFileSync(file, target);
  }
}

export const nodeDb = ({ card }: Place): string => join(card, "node.db");
export const liveDb = ({ memory }: Place): string => join(memory, "live.db");

/** Everything as a kill leaves it at this instant, somewhere else. */
export function copyPlace(from: Place): Place {
  const to = freshPlace();
  copyDatabase(nodeDb(from), nodeDb(to));
  copyDatabase(liveDb(from), liveDb(to));
  return to;
}

/** A summary as a subscriber received it. */
export interface Heard {
  readonly text: string;
  readonly id: string;
  readonly instance: string;
  readonly seq: number;
  readonly reason?: string;
  readonly cells?: readonly { readonly count: number }[];
}

/** What all lives together told, and for which windows noise was drawn, once an entry. */
export class Witnessed {
  readonly heard: Heard[] = [];
  readonly draws: string[] = [];
}

export const START = Date.UTC(2026, 10, 23, 9, 59, 50);
export const WINDOW_MS = MINUTE_MS;
export const LATENESS_MS = 5 * SECOND_MS;
/** Two cells of noise of this scale are equal by chance once in 1,600 draws. */
const NOISED = { is: "noised", epsilonMicro: epsilonMicro(50_000), accountMicro: epsilonMicro(1_000_000), bound: null } as const;

const gate = sensorPlan({
  id: "gate-1",
  driver: driverOf({
    handle: (event, out) => {
      if (event.type === "opened") out.expect(null);
      if (event.type === "bytes") out.passage("passages", { direction: "towards" });
    },
  }),
  channels: [PASSAGES],
  streams: [streamPlan(PASSAGES, { sensor: "gate-1", policy: NOISED, windowMs: WINDOW_MS, latenessMs: LATENESS_MS })],
});

class Killed extends Error {}
const forever = (): Promise<never> => new Promise(() => undefined);

/** `real` with some of its methods replaced. */
function replaced<T extends object>(real: T, instead: (key: PropertyKey) => unknown): T {
  return new Proxy(real, {
    get: (target, key) => {
      const own = instead(key);
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

export interface LifeOptions {
  readonly wallMs: number;
  readonly monoMs: number;
  readonly boot?: string;
  readonly machine?: string;
  readonly spoiled?: Spoiled;
  /** Where it dies, the first time after `killFromMs` by the wall clock. */
  readonly step?: Step;
  readonly killFromMs?: number;
  /** Commits of releases that go wrong from then on, so many times: nothing is written, or all is and nobody knows. */
  readonly failing?: { readonly trouble: "full" | "unknown"; readonly times: number; readonly fromMs: number };
}

let lives = 0;

/** One life of a whole node on virtual time, over the real stores, that can be made to die at any step of a release. */
export class Life {
  readonly clock: VirtualClock;
  /** What was there when it died. */
  remains: Place | null = null;
  readonly place: Place;
  readonly #options: LifeOptions;
  readonly #witnessed: Witnessed;
  #stores: Stores | null = null;
  #node: VirtualNode | null = null;
  #failed = 0;

  constructor(place: Place, witnessed: Witnessed, options: LifeOptions) {
    this.place = place;
    this.#witnessed = witnessed;
    this.#options = options;
    const { wallMs, monoMs, boot = "boot-1" } = options;
    this.clock = new VirtualClock({ wallMs, monoMs, bootId: boot });
  }

  get stores(): Stores {
    if (this.#stores === null) throw new Error("the life has not begun");
    return this.#stores;
  }

  async begin(): Promise<void> {
    this.#stores = await this.#open();
    const seeded = seededBytes(++lives);
    const fillRandom = (bytes: Uint8Array): void => {
      this.#reach("while noise is drawn");
      seeded.fillRandom(bytes);
    };
    const broker = new ScriptedBroker(this.clock);
    broker.friendly = true;
    this.#node = new VirtualNode(this.clock, {
      outbox: this.#outbox(),
      live: this.#live(),
      broker: this.#listening(broker),
      crypto: { ...fixedCrypto, fillRandom },
    });
    await this.#node.start(nodePlan([gate], { time: { ...nodePlan([]).time, source: "operator" } }));
  }

  /** Lives until `wallMs`, or until it dies; somebody passes every second. */
  async liveUntil(wallMs: number): Promise<void> {
    while (this.clock.wallMs() < wallMs && this.remains === null) {
      const isWholeSecond = this.clock.wallMs() % SECOND_MS === 0;
      if (isWholeSecond && this.#node?.ports.opened.length) this.#node.ports.say("/dev/gate-1", "x");
      try {
        await this.clock.advance(FLUSH_EVERY_MS / 2);
      } catch (error) {
        if (!(error instanceof Killed)) throw error;
      }
    }
  }

  /** Ends it as SIGKILL does, if it is not dead yet; gives what it left. */
  kill(): Place {
    this.remains ??= copyPlace(this.place);
    this.#stores?.live.close();
    void this.#stores?.outbox.close();
    return this.remains;
  }

  async #open(): Promise<Stores> {
    const { boot = "boot-1", machine = "serial 1", wallMs, spoiled } = this.#options;
    // Instances and noise differ from life to life, and are the same in every run of the test.
    const seeded = seededBytes(1_000_000 + lives);
    const randomBytes = (count: number): Uint8Array => {
      const bytes = new Uint8Array(count);
      seeded.fillRandom(bytes);
      return bytes;
    };
    const live = { path: liveDb(this.place), bootId: boot, bytesMax: 16e6 };
    const directory = this.place.card;
    if (spoiled?.binding !== true) return openStores({ directory, live, machine, wallMs, randomBytes });
    const outbox = await openOutbox({ directory, randomBytes });
    const bound = liveWitness(live.path)?.instance ?? outbox.instance;
    return { outbox, live: openLiveStore({ ...live, instance: bound }) };
  }

  /** A step of a release was reached: dies there, when it is to. */
  #reach(step: Step): void {
    if (this.remains !== null) throw new Killed();
    const { step: last, killFromMs = 0 } = this.#options;
    if (step !== last || this.clock.wallMs() < killFromMs) return;
    this.remains = copyPlace(this.place);
    throw new Killed();
  }

  #troubleOfNow(): "full" | "unknown" | null {
    const { failing } = this.#options;
    if (failing === undefined || this.clock.wallMs() < failing.fromMs || this.#failed >= failing.times) return null;
    this.#failed++;
    return failing.trouble;
  }

  /** For asynchronous calls: the dead do not answer. */
  async #reachOrHang(step: Step): Promise<void> {
    try {
      this.#reach(step);
    } catch {
      await forever();
    }
  }

  #outbox(): Stores["outbox"] {
    const real = this.stores.outbox;
    const commit: typeof real.commit = async (batch) => {
      const isRelease = batch.rows.some(({ seq }) => seq !== null);
      if (isRelease) await this.#reachOrHang("before the commit");
      const trouble = isRelease ? this.#troubleOfNow() : null;
      if (trouble === "full") throw new OutboxError("OUTBOX_FULL");
      await real.commit(batch);
      if (trouble === "unknown") throw new OutboxError("OUTBOX_IO");
      if (isRelease) await this.#reachOrHang("after the commit");
    };
    const acknowledge: typeof real.acknowledge = async (acknowledgement) => {
      await this.#reachOrHang("before the acknowledgement is written");
      await real.acknowledge(acknowledgement);
      await this.#reachOrHang("after the acknowledgement is written");
    };
    return replaced(real, (key) => {
      if (this.remains !== null && key !== "standing" && key !== "instance" && key !== "run") return forever;
      return key === "commit" ? commit : key === "acknowledge" ? acknowledge : undefined;
    });
  }

  #live(): Stores["live"] {
    const real = this.stores.live;
    const claimDraws: typeof real.claimDraws = (sensitivity, windowMs, window, streams) => {
      this.#reach("before the claim");
      const noted = real.claimDraws(sensitivity, windowMs, window, streams);
      this.#reach("after the claim");
      const heeded = this.#options.spoiled?.claims === true ? new Set<number>() : noted;
      for (const stream of streams) if (!heeded.has(stream)) this.#witnessed.draws.push(`${windowMs}/${window}/${stream}`);
      return heeded;
    };
    const purge: typeof real.purge = (...all) => {
      this.#reach("before the purge");
      const chunks = real.purge(...all);
      this.#reach("after the purge");
      return chunks;
    };
    const dead = (): never => {
      throw new Killed();
    };
    return replaced(real, (key) => {
      if (this.remains !== null) return dead;
      return key === "claimDraws" ? claimDraws : key === "purge" ? purge : undefined;
    });
  }

  /** The broker, with a subscriber who hears everything that it was given before the node died. */
  #listening(broker: ScriptedBroker): ScriptedBroker {
    return replaced(broker, (key) => {
      if (key !== "connect") return undefined;
      const connect: ScriptedBroker["connect"] = (request, listener) => {
        const link = broker.connect(request, listener);
        const publish: typeof link.publish = (message, token) => {
          const isSummary = message.topic.endsWith("/summary");
          if (isSummary) this.#reach("before the publish");
          if (this.remains === null && isSummary) this.#hear(new TextDecoder().decode(message.payload));
          if (isSummary) this.#reach("after the publish");
          link.publish(message, token);
        };
        return { ...link, publish };
      };
      return connect;
    });
  }

  #hear(text: string): void {
    this.#witnessed.heard.push({ ...(JSON.parse(text) as Omit<Heard, "text">), text });
  }
}
