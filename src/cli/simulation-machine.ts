import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadDriver } from "../adapters/driver-loader.ts";
import { offerEdge, STILL } from "../adapters/gpio/debounce.ts";
import type { Connection } from "../adapters/sqlite/database.ts";
import { openEgressLog } from "../adapters/sqlite/egress-log.ts";
import { openStores } from "../adapters/sqlite/stores.ts";
import { createSystemCrypto } from "../adapters/system-crypto.ts";
import { driversNeeded, parseNodeFile } from "../config/parse.ts";
import type { NodePlan } from "../config/plan.ts";
import { planNode } from "../config/plan-node.ts";
import { formatProblem } from "../config/problem.ts";
import type { Driver } from "../driver-api/driver.ts";
import type { Machine, NumbersLeft, OpenRequest, OpenStores } from "../testing/simulation/machine.ts";
import { OWN_DRIVERS } from "./node-file.ts";
import { shakyConnect } from "./shaky-connection.ts";

/** Files of a simulation lie in memory, where there is such a folder: a card would be worn by them, and be slow. */
const TMPFS = "/dev/shm";
const LIVE_BYTES_MAX = 64 * 1024 * 1024;

/** Drivers by name; loaded once, they hold nothing between sessions. */
const drivers = new Map<string, Driver>();

/** The plan that the command line makes of this node file. Throws what is wrong with it. */
async function planText(text: string): Promise<NodePlan> {
  const parsed = parseNodeFile(text, "simulation.yaml");
  const needed = parsed.config === null ? [] : driversNeeded(parsed.config);
  for (const name of needed.filter((one) => !drivers.has(one))) {
    const loaded = await loadDriver(name, [{ path: OWN_DRIVERS }]);
    if (!loaded.ok) throw new Error(`${loaded.problem.detail}. ${loaded.problem.remedy}`);
    drivers.set(name, loaded.driver);
  }
  const { plan, problems } = planNode(parsed, drivers);
  if (plan === null) throw new Error(`bug: the node file of a simulation is refused:\n${problems.map(formatProblem).join("\n")}`);
  return plan;
}

/** A machine for one simulated world: a card and a memory, as folders that are moved on at each kill. */
export function createSimulationMachine(): Machine {
  return new FolderMachine(mkdtempSync(join(existsSync(TMPFS) ? TMPFS : tmpdir(), "stoep-simulation-")));
}

class FolderMachine implements Machine {
  readonly digests = createSystemCrypto();
  readonly #root: string;
  #generation = 0;
  readonly #buried: string[] = [];
  #dying: Connection[] = [];
  #open: Connection[] = [];
  #unhandled: ((error: unknown) => void) | null = null;

  constructor(root: string) {
    this.#root = root;
    for (const folder of [this.#card, this.#memory]) mkdirSync(folder, { recursive: true });
  }

  plan(text: string): Promise<NodePlan> {
    return planText(text);
  }

  async open({ disk, bootId, wallMs, randomBytes }: OpenRequest): Promise<OpenStores> {
    const opened = (db: Connection): void => void this.#open.push(db);
    const path = join(this.#memory, "live.db");
    const connectNode = shakyConnect("node", disk, opened);
    const connectLive = shakyConnect("live", disk, opened);
    const { outbox, live } = await openStores({
      directory: this.#card,
      live: { path, bootId, bytesMax: LIVE_BYTES_MAX },
      machine: "simulated",
      wallMs,
      randomBytes,
      connect: (file) => (file === path ? connectLive : connectNode)(file),
    });
    return { outbox, live, isRenewed: outbox.renewed !== null, discarded: live.discarded };
  }

  kill(): void {
    const [card, memory] = [this.#card, this.#memory];
    this.#dying.push(...this.#open);
    this.#open = [];
    this.#buried.push(join(this.#root, String(this.#generation)));
    this.#generation++;
    copyFolder(card, this.#card);
    copyFolder(memory, this.#memory);
  }

  cutPower(): void {
    rmSync(this.#memory, { recursive: true });
    mkdirSync(this.#memory);
  }

  bury(): void {
    for (const db of this.#dying) db.close();
    this.#dying = [];
    for (const folder of this.#buried.splice(0)) rmSync(folder, { recursive: true, force: true });
  }

  debouncer(debounceMs: number): (atMs: number) => boolean {
    const debounceNs = BigInt(debounceMs) * 1_000_000n;
    let state = STILL;
    return (atMs) => {
      const step = offerEdge(state, { rising: false, atNs: BigInt(Math.round(atMs * 1e6)) }, debounceNs);
      state = step.state;
      return step.tell.length > 0;
    };
  }

  card(): readonly Uint8Array[] {
    return readdirSync(this.#card).map((name) => readFileSync(join(this.#card, name)));
  }

  departures(): readonly NumbersLeft[] | null {
    const log = openEgressLog(this.#card);
    const entries = [...log.departures(0)].flat();
    log.close();
    return entries.length > 0 && entries[0]?.id !== 1 ? null : entries;
  }

  onUnhandled(tell: (error: unknown) => void): void {
    this.#unhandled = tell;
    process.on("unhandledRejection", tell);
  }

  remove(): void {
    if (this.#unhandled !== null) process.off("unhandledRejection", this.#unhandled);
    for (const db of [...this.#open, ...this.#dying]) db.close();
    rmSync(this.#root, { recursive: true, force: true });
  }

  get #card(): string {
    return join(this.#root, String(this.#generation), "card");
  }

  get #memory(): string {
    return join(this.#root, String(this.#generation), "memory");
  }
}

/** As it is at this instant. SQLite's index of a WAL (`-shm`) is shared memory, which no kill leaves behind in a state to rely on. */
function copyFolder(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(from)) if (!name.endsWith("-shm")) copyFileSync(join(from, name), join(to, name));
}
