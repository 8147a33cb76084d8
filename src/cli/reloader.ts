import { readGood, writeGood } from "../adapters/good-file.ts";
import type { NodePlan } from "../config/plan.ts";
import { type ConfigProblem, formatProblem, pathText } from "../config/problem.ts";
import type { EventLevel } from "../core/events/events.ts";
import type { Cancel, Clock } from "../ports/clock.ts";
import type { Events } from "../ports/events.ts";
import type { ServiceManager } from "../ports/service-manager.ts";
import type { Node } from "../runtime/node.ts";
import { type RestartNeed, sameData, sensorChange } from "../runtime/plan-change.ts";
import type { ReloadChanges, ReloadRequest, TrialTrouble } from "../runtime/reload.ts";
import { planGood, wholeText } from "./good-config.ts";
import { type PlannedFile, planFile } from "./node-file.ts";

/** How long a node must have run before the file that it was started with is called good. */
const GOOD_AFTER_MS = 10_000;
/** How often it is looked again when a sensor that the file brought does not work yet. */
const GOOD_AGAIN_MS = 30_000;

/** What became of a reload, as the operator is told. */
export interface ReloadAnswer {
  readonly is: "applied" | "unchanged" | "refused" | "rolled-back" | "stopped";
  /** Rev of the file that runs. */
  readonly active: string;
  /** Rev of the file on the disk, when it is another one. */
  readonly rejected: string | null;
  readonly lines: readonly string[];
}

export interface ReloaderWorld {
  readonly file: string;
  /** Absolute. */
  readonly fullFile: string;
  readonly node: Node;
  readonly clock: Clock;
  readonly events: Events & { setLevel?(level: EventLevel): void };
  readonly manager: ServiceManager;
  /** The plan as this machine can keep it, and what it needs of the world. Rejects when a secret cannot be read. */
  prepare(planned: PlannedFile & { readonly plan: NodePlan }, before: NodePlan): Promise<ReloadRequest>;
}

/** What runs. */
interface Active {
  readonly planned: PlannedFile;
  /** As it was prepared. */
  readonly plan: NodePlan;
}

/** Reads the node file anew, has the node take it over, and keeps the one that held (promise P6). */
export class Reloader {
  readonly #world: ReloaderWorld;
  #active: Active;
  #running: Promise<unknown> = Promise.resolve();
  #cancelKeep: Cancel = () => undefined;

  constructor(world: ReloaderWorld, active: Active) {
    this.#world = world;
    this.#active = active;
  }

  /** One at a time: whoever asks while one is under way gets the next. */
  reload(): Promise<ReloadAnswer> {
    const run = this.#running.then(() => this.#reload());
    this.#running = run.catch(() => undefined);
    return run;
  }

  /** Calls the file of the start good once the node has held under it; nothing to do where it is the one that is kept. */
  keepWhenItHolds(afterMs = GOOD_AFTER_MS): void {
    const { clock, node, fullFile } = this.#world;
    const { planned, plan } = this.#active;
    const kept = readGood(plan.storage.directory, fullFile);
    if (kept?.rev === planned.rev) return;
    const look = async (): Promise<void> => {
      if (this.#active.planned !== planned) return; // a reload has its own verdict
      const before = kept === null ? null : (await planGood(kept, this.#world.file)).plan;
      if (holds(node, plan, before)) this.#keep(this.#active);
      else this.#cancelKeep = clock.after(GOOD_AGAIN_MS, () => void look());
    };
    this.#cancelKeep = clock.after(afterMs, () => void look());
  }

  stop(): void {
    this.#cancelKeep();
  }

  async #reload(): Promise<ReloadAnswer> {
    const { manager } = this.#world;
    manager.reloading();
    try {
      return await this.#judged(await planFile(this.#world.file));
    } finally {
      manager.ready();
    }
  }

  async #judged(wanted: PlannedFile): Promise<ReloadAnswer> {
    const { node, events } = this.#world;
    const { planned: running } = this.#active;
    const { plan, rev } = wanted;
    if (plan === null) return this.#refused(wanted, wanted.problems.map(formatProblem));
    if (rev === running.rev) {
      node.reject(null);
      events.emit({ type: "ConfigUnchanged", rev });
      return { is: "unchanged", active: rev, rejected: null, lines: [`the node runs this file already (${rev}): nothing to do`] };
    }
    if (!sameData(running.parsed?.config?.driverPaths, wanted.parsed?.config?.driverPaths)) {
      return this.#refused(wanted, needLines(wanted, [DRIVERS_NEED]));
    }
    return await this.#take({ ...wanted, plan });
  }

  async #take(wanted: PlannedFile & { readonly plan: NodePlan }): Promise<ReloadAnswer> {
    const { node, events, prepare } = this.#world;
    const { rev } = wanted;
    let request: ReloadRequest;
    try {
      request = await prepare(wanted, this.#active.plan);
    } catch (error) {
      const remedy = error instanceof Error && "remedy" in error ? ` What to do: ${String(error.remedy)}` : "";
      return this.#refused(wanted, [`${error instanceof Error ? error.message : String(error)}.${remedy}`]);
    }
    const outcome = await node.reload(request);
    const active = this.#active.planned.rev;
    switch (outcome.is) {
      case "applied": {
        const what = changesText(outcome.changes);
        this.#active = { planned: wanted, plan: request.plan };
        events.setLevel?.(request.plan.log.level);
        events.emit({ type: "ConfigApplied", rev, what });
        this.#keep(this.#active);
        const warnings = wanted.problems.map(formatProblem);
        return { is: "applied", active: rev, rejected: null, lines: [...warnings, `${rev} is active: ${what}`] };
      }
      case "refused":
        return this.#refused(wanted, needLines(wanted, outcome.needs));
      case "rolled-back": {
        const because = outcome.because.map(troubleText);
        node.reject(rev);
        events.emit({ type: "ConfigRolledBack", rev, because: because.join("; ") });
        const remedy = "What to do: see to what is named, then stoep reload again";
        return { is: "rolled-back", active, rejected: rev, lines: [...because, `${rev} was tried and taken back. ${remedy}`] };
      }
      case "stopped":
        return { is: "stopped", active, rejected: rev, lines: ["the node was stopped meanwhile"] };
    }
  }

  #refused({ rev }: PlannedFile, lines: readonly string[]): ReloadAnswer {
    const { node, events } = this.#world;
    const rejected = rev === "" ? NO_FILE : rev;
    node.reject(rejected);
    events.emit({ type: "ConfigRejected", rev: rejected, because: lines[0] ?? "" });
    return { is: "refused", active: this.#active.planned.rev, rejected, lines };
  }

  #keep({ planned, plan }: Active): void {
    const { events, fullFile } = this.#world;
    const { directory } = plan.storage;
    try {
      const path = writeGood(directory, fullFile, { text: wholeText(planned), rev: planned.rev });
      events.emit({ type: "ConfigKept", rev: planned.rev, path });
    } catch (error) {
      events.emit({ type: "ConfigNotKept", path: directory, code: (error as NodeJS.ErrnoException).code ?? "unknown" });
    }
  }
}

/** Rev of a file that is not there, or cannot be read. */
export const NO_FILE = "unreadable";

const DRIVERS_NEED: RestartNeed = {
  path: ["driverPaths"],
  remedy: "code that was loaded stays loaded; restart the node to change it: systemctl restart stoep",
};

/**
 * Whether a file that the node was started with may be called good: its stores work, and so does every sensor that it brought or changed.
 * What it did not change may be broken; where there is no file to compare with, the node runs, and that is better than nothing.
 */
function holds(node: Node, plan: NodePlan, before: NodePlan | null): boolean {
  const { status } = node.status();
  if (status.problems.some(({ code }) => STORE_PROBLEMS.includes(code))) return false;
  if (before === null) return true;
  const old = new Map(before.sensors.map((sensor) => [sensor.id, sensor]));
  const isOurs = (sensor: NodePlan["sensors"][number]): boolean => {
    const was = old.get(sensor.id);
    return was === undefined || sensorChange(was, sensor) === "reopened";
  };
  return plan.sensors.filter(isOurs).every(({ id }) => !["fault", "silent"].includes(status.sensors[id] ?? "ok"));
}

const STORE_PROBLEMS: readonly string[] = ["OUTBOX_FAILED", "LIVE_FULL", "LIVE_FAILED"];

function needLines({ parsed }: PlannedFile, needs: readonly RestartNeed[]): readonly string[] {
  return needs.map(({ path, remedy }) => {
    const place = parsed?.locate(path) ?? { file: "", line: 1, column: 1 };
    const message = `cannot change while the node runs: ${remedy}`;
    return formatProblem({ ...place, path: pathText(path), message, severity: "error" } satisfies ConfigProblem);
  });
}

const troubleText = ({ sensor, code }: TrialTrouble): string =>
  sensor === null ? `the node: ${code}` : `sensor ${sensor}: ${code}: its port was not open and well within 30 s`;

/** What changed, in a line. */
function changesText({ sensors, streams, reconnected }: ReloadChanges): string {
  const parts = [
    ["added", sensors.added],
    ["removed", sensors.removed],
    ["opened anew", sensors.reopened],
    ["changed with the port open", sensors.rearranged],
    ["open window not published of", [...streams.ended, ...streams.redefined]],
  ] as const;
  const said = parts.flatMap(([what, names]) => (names.length === 0 ? [] : [`${what} ${names.join(", ")}`]));
  if (reconnected) said.push("connected to the broker anew");
  return said.length === 0 ? "no sensor is concerned" : said.join("; ");
}
