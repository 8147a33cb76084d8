import { unreachable } from "../../core/assert.ts";
import type { GpioLine } from "../../core/units/port.ts";
import type { Cancel, Clock } from "../../ports/clock.ts";
import type { GpioPort, PortEvent, PortListener } from "../../ports/field-port.ts";
import { type BounceState, type BounceStep, type Edge, offerEdge, releaseEdge, STILL } from "./debounce.ts";
import type { ClosedEvent } from "./gpio-fault.ts";

/** Most edges kept while a watch is opening; more are told as lost. */
export const EARLY_EDGES_MAX = 1_024;

const NS_PER_MS = 1e6;

export type GpioLines = Readonly<Record<string, GpioLine>>;
/** The level of each line when it was opened; null: unknown. */
export type Levels = Readonly<Record<string, { readonly high: boolean | null }>>;

/**
 * Which edges of a line a backend watches: those that are asked for, and both where bounce is filtered. A contact bounces when it opens
 * too, and its bounce has edges of both kinds: who sees the closings only takes those of the opening for another closing.
 */
export const edgeToWatch = ({ edge, debounceMs }: Pick<GpioLine, "edge" | "debounceMs">): GpioLine["edge"] =>
  debounceMs > 0 ? "both" : edge;

const isAskedFor = (edge: GpioLine["edge"], rising: boolean): boolean => edge === "both" || (edge === "rising") === rising;

/** What a backend tells of the lines that it watches for one sensor. */
export interface LineSink {
  /** False once nobody listens any more. */
  readonly isWanted: boolean;
  opened(levels: Levels): void;
  /** `stampNs`: the kernel's stamp, null when there is none. */
  edge(name: string, rising: boolean, stampNs: bigint | null): void;
  lost(count: number | null): void;
  /** An edge that is not real. */
  ignored(): void;
  /** Final. */
  closed(event: ClosedEvent): void;
}

type LineEvent = Extract<PortEvent, { type: "edge" | "lost" }>;

interface LineState {
  /** The edges that are told. */
  readonly edge: GpioLine["edge"];
  readonly debounceNs: bigint;
  readonly debounceMs: number;
  bounce: BounceState;
  cancelRelease: Cancel | null;
}

/**
 * The level is the one that was told last. Without stamps that is what is left of bounce when this process looks late: several edges in
 * one, long after the first. An opening that was missed between two closings would look the same, and is rarer where contacts bounce.
 */
const changesNothing = ({ told, held }: BounceState, rising: boolean): boolean => (held ?? told)?.rising === rising;

const heldCount = ({ held }: BounceState): number => (held === null ? 0 : 1);

/**
 * The lines of one sensor, whatever backend watches them: keeps the order (`opened`, then edges, then at most one `closed`), filters
 * bounce by the same rule everywhere, counts what it filters, and tells the edges that were asked for.
 */
export class LineWatch implements GpioPort, LineSink {
  readonly #clock: Pick<Clock, "after" | "monotonicNs">;
  readonly #listener: PortListener;
  readonly #stop: () => void;
  readonly #lines = new Map<string, LineState>();
  #is: "opening" | "open" | "closed" = "opening";
  #early: LineEvent[] = [];
  #earlyLost = 0;
  #ignored = 0;

  /** `stop` is called once, when the watch ends for whatever reason. */
  constructor(clock: Pick<Clock, "after" | "monotonicNs">, lines: GpioLines, listener: PortListener, stop: () => void) {
    this.#clock = clock;
    this.#listener = listener;
    this.#stop = stop;
    for (const [name, { edge, debounceMs }] of Object.entries(lines)) {
      const debounceNs = BigInt(Math.round(debounceMs * NS_PER_MS));
      this.#lines.set(name, { edge, debounceNs, debounceMs, bounce: STILL, cancelRelease: null });
    }
  }

  get isWanted(): boolean {
    return this.#is !== "closed";
  }

  ignoredEdges(): number {
    return this.#ignored;
  }

  opened(levels: Levels): void {
    if (this.#is !== "opening") return;
    this.#is = "open";
    this.#listener({ type: "opened", settings: { lines: levels } });
    const early = this.#early;
    this.#early = [];
    for (const event of early) this.#tell(event);
    if (this.#earlyLost > 0) this.lost(this.#earlyLost);
  }

  edge(name: string, rising: boolean, stampNs: bigint | null): void {
    const line = this.#lines.get(name);
    if (this.#is === "closed" || line === undefined) return;
    const atNs = stampNs ?? this.#clock.monotonicNs();
    const before = line.bounce;
    if (stampNs === null && line.debounceMs > 0 && changesNothing(before, rising)) {
      this.#ignored++;
      return;
    }
    const step = offerEdge(before, { rising, atNs }, line.debounceNs);
    // One came in. What is not told now, and not held to be told later, is ignored.
    this.#ignored += 1 + heldCount(before) - step.tell.length - heldCount(step.state);
    this.#step(name, line, step, stampNs !== null);
  }

  lost(count: number | null): void {
    this.#tell({ type: "lost", what: "edges", count });
  }

  ignored(): void {
    this.#ignored++;
  }

  closed(event: ClosedEvent): void {
    if (this.#is === "closed") return;
    this.#end();
    this.#listener(event);
  }

  write(): void {
    // Lines are only listened to.
  }

  signal(): void {
    // There are no control lines.
  }

  close(): void {
    if (this.#is !== "closed") this.#end();
  }

  #step(name: string, line: LineState, { state, tell }: BounceStep, isStamped: boolean): void {
    line.bounce = state;
    line.cancelRelease?.();
    line.cancelRelease =
      state.held === null ? null : this.#clock.after(line.debounceMs, () => this.#step(name, line, releaseEdge(state), isStamped));
    for (const edge of tell) if (isAskedFor(line.edge, edge.rising)) this.#tellEdge(name, edge, isStamped);
  }

  #tellEdge(name: string, { rising, atNs }: Edge, isStamped: boolean): void {
    this.#tell({ type: "edge", line: name, rising, atNs: isStamped ? atNs : null });
  }

  #tell(event: LineEvent): void {
    switch (this.#is) {
      case "open":
        this.#listener(event);
        return;
      case "opening":
        if (this.#early.length < EARLY_EDGES_MAX) this.#early.push(event);
        else this.#earlyLost++;
        return;
      case "closed":
        return;
      default:
        unreachable(this.#is);
    }
  }

  #end(): void {
    this.#is = "closed";
    this.#early = [];
    for (const line of this.#lines.values()) line.cancelRelease?.();
    this.#stop();
  }
}
