import { join } from "node:path";
import type { Cancel, Clock } from "../../ports/clock.ts";
import { type ClosedEvent, gpioClosed, gpioFault, toolFault } from "./gpio-fault.ts";
import type { GpioTools } from "./gpio-tools.ts";
import { type GpiomonDialect, type LineGroup, type LinePlace, parseChips, parseLevels, parsePlaces } from "./gpiomon-dialect.ts";
import { GpiomonProcess } from "./gpiomon-process.ts";
import { edgeToWatch, type GpioLines, type Levels, type LineSink } from "./line-watch.ts";
import { watchPresence } from "./presence.ts";

/** Watches lines in one way. */
export interface GpioBackend {
  /** Watches the lines and tells `sink`, never from within the call; the answer stops it. */
  watch(lines: GpioLines, sink: LineSink): () => void;
}

/** The lines that one gpiomon watches, each with its name in the config. */
export interface NamedGroup extends LineGroup {
  /** In the order of `offsets`. */
  readonly names: readonly string[];
}

type Located = { readonly is: "at"; readonly place: LinePlace } | { readonly is: "nowhere"; readonly fault: ClosedEvent };

/** Sorts lines into as few groups as gpiomon allows: one of its processes knows one chip, one kind of edge and one pull. */
export function groupLines(lines: GpioLines, places: ReadonlyMap<string, LinePlace>): readonly NamedGroup[] {
  const groups = new Map<string, { chip: string; edge: LineGroup["edge"]; pull: LineGroup["pull"]; offsets: number[]; names: string[] }>();
  for (const [name, line] of Object.entries(lines)) {
    const place = places.get(name);
    if (place === undefined) continue;
    const { pull } = line;
    const edge = edgeToWatch(line);
    const key = `${place.chip} ${edge} ${pull}`;
    const group = groups.get(key) ?? { chip: place.chip, edge, pull, offsets: [], names: [] };
    groups.set(key, group);
    group.offsets.push(place.offset);
    group.names.push(name);
  }
  return [...groups.values()];
}

export interface GpiomonBackendOptions {
  readonly clock: Pick<Clock, "after">;
  readonly tools: GpioTools;
  readonly dialect: GpiomonDialect;
  /** Where the devices of chips are: `/dev`. */
  readonly deviceRoot: string;
}

/**
 * Watches lines by way of `gpiomon`: a child process with the kernel's own stamps, which goes on fetching edges while this process is
 * busy. When one of them ends, edges are told as lost and the port as closed: opening it again is the runtime's, which then has
 * fresh levels and knows that the lines were not watched in between.
 */
export class GpiomonBackend implements GpioBackend {
  readonly #clock: Pick<Clock, "after">;
  readonly #tools: GpioTools;
  readonly #dialect: GpiomonDialect;
  readonly #deviceRoot: string;
  /** Processes that are ending: until then their lines are busy. */
  readonly #leaving = new Set<Promise<void>>();

  constructor(options: GpiomonBackendOptions) {
    this.#deviceRoot = options.deviceRoot;
    this.#clock = options.clock;
    this.#tools = options.tools;
    this.#dialect = options.dialect;
  }

  watch(lines: GpioLines, sink: LineSink): () => void {
    const processes: GpiomonProcess[] = [];
    const stops: Cancel[] = [];
    this.#start(lines, sink, processes, stops).catch((error: unknown) => {
      sink.closed(gpioFault(error instanceof Error ? error.message : String(error)));
    });
    return () => {
      for (const stop of stops) stop();
      for (const process of processes) {
        const ended = process.stop().finally(() => this.#leaving.delete(ended));
        this.#leaving.add(ended);
      }
    };
  }

  async #start(lines: GpioLines, sink: LineSink, processes: GpiomonProcess[], stops: Cancel[]): Promise<void> {
    await Promise.all(this.#leaving);
    const places = new Map<string, LinePlace>();
    for (const [name, { line }] of Object.entries(lines)) {
      const located = "name" in line ? await this.#byName(line.name) : await this.#byChip(line.chip, line.offset);
      if (located.is === "nowhere") return sink.closed(located.fault);
      places.set(name, located.place);
    }
    const same = sameTwice(places);
    if (same !== null) return sink.closed(gpioClosed("settings", same, "Give each line of the sensor a line of its own"));
    const groups = groupLines(lines, places);
    const levels: Record<string, { high: boolean | null }> = {};
    for (const group of groups) Object.assign(levels, await this.#levels(group));
    // Asked again only here: nothing was started yet.
    if (!sink.isWanted) return;
    this.#spawn(groups, levels, sink, processes);
    const devices = groups.map(({ chip }) => join(this.#deviceRoot, chip));
    stops.push(
      watchPresence(this.#clock, devices, (device) => {
        sink.lost(null);
        sink.closed(gpioClosed("gone", `${device} is gone`));
      }),
    );
  }

  #spawn(groups: readonly NamedGroup[], levels: Levels, sink: LineSink, processes: GpiomonProcess[]): void {
    let starting = groups.length;
    for (const group of groups) {
      const names = new Map(group.offsets.map((offset, index) => [offset, group.names[index] ?? ""]));
      const process = new GpiomonProcess({
        clock: this.#clock,
        tools: this.#tools,
        dialect: this.#dialect,
        group,
        onReady: () => {
          starting--;
          if (starting === 0) sink.opened(levels);
        },
        onEdge: (offset, { rising, atNs }) => sink.edge(names.get(offset) ?? "", rising, atNs),
        onGarbled: () => sink.lost(1),
        onEnded: (detail, wasReady) => {
          if (wasReady) sink.lost(null);
          sink.closed(gpioFault(detail));
        },
      });
      processes.push(process);
    }
  }

  async #byName(name: string): Promise<Located> {
    const answer = await this.#tools.ask(this.#dialect.find(name));
    if (answer.is !== "answered") return nowhere(toolFault(answer));
    const [place, ...others] = parsePlaces(answer.stdout);
    if (place === undefined) return nowhere(nothingCalled(`no GPIO line is called ${name}`, answer.stderr));
    if (others.length === 0) return { is: "at", place };
    return nowhere(gpioClosed("settings", `several GPIO lines are called ${name}`, "Name the line by its chip and offset"));
  }

  async #byChip(label: string, offset: number): Promise<Located> {
    const answer = await this.#tools.ask(["gpiodetect"]);
    if (answer.is !== "answered") return nowhere(toolFault(answer));
    const chips = parseChips(answer.stdout);
    const labelled = chips.filter((chip) => chip.label === label);
    // A label is stable; the name of a device is taken only where no label says so.
    const [chip, ...others] = labelled.length > 0 ? labelled : chips.filter(({ name }) => name === label);
    if (chip === undefined) return nowhere(nothingCalled(`no GPIO chip is called ${label}`, answer.stderr));
    if (others.length === 0) return { is: "at", place: { chip: chip.name, offset } };
    return nowhere(gpioClosed("settings", `several GPIO chips are called ${label}`, "Name the line by its own name"));
  }

  /** Levels cannot be read once the lines are watched. Where they cannot be read at all, gpiomon will say why. */
  async #levels(group: NamedGroup): Promise<Levels> {
    const answer = await this.#tools.ask(this.#dialect.read(group));
    const levels = answer.is === "answered" && answer.ok ? parseLevels(answer.stdout, group.names.length) : null;
    return Object.fromEntries(group.names.map((name, index) => [name, { high: levels?.[index] ?? null }]));
  }
}

const nowhere = (fault: ClosedEvent): Located => ({ is: "nowhere", fault });

/** Tools say nothing when a name is not found, but something when they could not look. */
function nothingCalled(detail: string, stderr: string): ClosedEvent {
  const fault = gpioFault(stderr);
  return fault.code === "permission" ? fault : gpioClosed("gone", detail);
}

function sameTwice(places: ReadonlyMap<string, LinePlace>): string | null {
  const seen = new Map<string, string>();
  for (const [name, { chip, offset }] of places) {
    const key = `${chip} ${offset}`;
    const other = seen.get(key);
    if (other !== undefined) return `${other} and ${name} are the same line, ${key}`;
    seen.set(key, name);
  }
  return null;
}
