import type { SensorPlan } from "../config/plan.ts";
import type { SensorId } from "../core/units/ids.ts";
import type { OpenedPort } from "../core/units/port.ts";
import { DAY_MS, type DurationMs, MINUTE_MS, type MonotonicMs } from "../core/units/time.ts";
import type { BusEvent, SessionSink } from "../driver-api/driver.ts";
import type { Clock } from "../ports/clock.ts";
import type { Events } from "../ports/events.ts";
import { type Outbox, OutboxError } from "../ports/outbox.ts";
import { isOfPeople } from "./people.ts";
import type { Sensor } from "./sensor.ts";
import type { TimeDesk } from "./time-desk.ts";

/** Longest that a sensor of people is watched at a time (CONTRACT §6). */
export const PEOPLE_WATCH_MS_MAX = (10 * MINUTE_MS) as DurationMs;
/** Longest that any sensor is. */
export const WATCH_MS_MAX = DAY_MS;
/** Most watches at a time: each holds a buffer. */
export const WATCHES_MAX = 4;

/** `readings`: what the driver makes of it; `events`: what the port tells, as it came. */
export type WatchWants = "readings" | "events";

/** What somebody on this machine asks for. */
export interface WatchOrder {
  readonly sensor: string;
  readonly forMs: number;
  readonly wants: WatchWants;
  /** Said with the question: it is known that people cause what this sensor sees. */
  readonly people: boolean;
  /** Who asks, for the egress log. */
  readonly by: string;
}

/** Why a watch ended. `gone`: whoever watched; `changed`: the sensor has another plan, or is not there any more. */
export type WatchEnd = "time" | "gone" | "slow" | "changed" | "stopped";

/** What a watch is given when it begins. */
export interface WatchGrant {
  readonly sensor: Sensor;
  readonly wants: WatchWants;
  readonly forMs: number;
  readonly isOfPeople: boolean;
  /** How its port stands open; null: it does not. GPIO lines have their levels of now. */
  readonly opened: OpenedPort | null;
  /** It is over: nothing more is told to it. */
  over(because: WatchEnd): void;
}

/** Somebody who listens at a sensor. */
export interface Tap {
  /** Told before the session hears of it; gives the sink that the session answers to. */
  hear(event: BusEvent, sink: SessionSink): SessionSink;
  /** Ends it. `grant.over` follows. */
  end(because: WatchEnd): void;
}

/** It began, or why not and what to do about that. */
export type WatchAnswer = { readonly is: "watching" } | { readonly is: "refused"; readonly because: string; readonly remedy: string };

/** One who listens, with what was agreed on. */
interface Watching {
  readonly plan: SensorPlan;
  readonly tap: Tap;
}

export interface WatchesWorld {
  readonly clock: Clock;
  readonly events: Events;
  readonly outbox: Outbox;
  readonly time: TimeDesk;
  sensors(): readonly Sensor[];
  /** A sensor of people is watched from now on: the status is to say so at once. */
  onFlagged(): void;
}

/**
 * Knows who watches which sensor, and decides who may. It only listens: what a session is told, what it answers and what becomes of that
 * is the same with it and without. A watch of a sensor of people stands in the egress log before its first byte leaves, and in the status
 * for as long as it may last.
 */
export class Watches {
  readonly #world: WatchesWorld;
  readonly #watching = new Map<SensorId, readonly Watching[]>();
  /** Of each sensor whose port is open: how. */
  readonly #opened = new Map<SensorId, OpenedPort>();
  /** How many watches of a sensor of people are on. */
  readonly #flags = new Map<SensorId, number>();
  #isStopped = false;

  constructor(world: WatchesWorld) {
    this.#world = world;
  }

  /** Whether the status says that somebody watches this sensor: those of people only. */
  isFlagged(sensor: SensorId): boolean {
    return this.#flags.has(sensor);
  }

  /** Called with everything that a session is told; gives the sink that it answers to. */
  overhear(plan: SensorPlan, event: BusEvent, sink: SessionSink): SessionSink {
    if (event.type !== "bytes") this.#remember(plan.id, event);
    const watching = this.#watching.get(plan.id);
    if (watching === undefined) return sink;
    return watching.reduce((inner, { plan: agreed, tap }) => {
      if (agreed === plan) return tap.hear(event, inner);
      // What was agreed on was about another plan: this one may be about people.
      tap.end("changed");
      return inner;
    }, sink);
  }

  /** Begins a watch, or says why not. `open` is called once everything is written down. In turn with other commits. */
  async begin(order: WatchOrder, open: (grant: WatchGrant) => Tap): Promise<WatchAnswer> {
    const found = this.#find(order);
    if ("is" in found) return found;
    const { plan } = found;
    const people = isOfPeople(plan);
    const refusal = this.#objection(order, plan, people);
    if (refusal !== null) return refusal;
    if (people && !(await this.#isWritten(order))) {
      return refused("the egress log cannot be written, and nobody watches people without that", "see stoep status, and ask again");
    }
    const now = this.#world.clock.monotonicMs();
    if (this.#isStopped) return refused("the node stops", "ask again when it runs");
    if (this.#find(order) !== found || found.plan !== plan) return refused(`${order.sensor} was changed meanwhile`, "ask again");
    this.#start(order, found, people, now, open);
    return { is: "watching" };
  }

  /** Ends those of sensors that are not there any more, or that have another plan. Called often. */
  tick(): void {
    if (this.#watching.size === 0) return;
    const plans = new Set(this.#world.sensors().map(({ plan }) => plan));
    for (const watching of this.#watching.values()) {
      for (const { plan, tap } of watching) if (!plans.has(plan)) tap.end("changed");
    }
  }

  /** Ends all of them, and begins none any more. */
  stop(): void {
    this.#isStopped = true;
    for (const watching of this.#watching.values()) for (const { tap } of watching) tap.end("stopped");
  }

  #find({ sensor }: WatchOrder): Sensor | Extract<WatchAnswer, { is: "refused" }> {
    const all = this.#world.sensors();
    const known = all.map(({ plan }) => plan.id).join(", ");
    return all.find(({ plan }) => plan.id === sensor) ?? refused(`there is no sensor "${sensor}"`, `name one of ${known}`);
  }

  #objection({ forMs, people: isSaid }: WatchOrder, plan: SensorPlan, people: boolean): Extract<WatchAnswer, { is: "refused" }> | null {
    const { id } = plan;
    if (!plan.enabled) return refused(`${id} is switched off (enabled: false)`, "switch it on in the node file, then stoep reload");
    if (people && !isSaid) {
      const remedy = "add --people if you must: at most 10m, written into the egress log, and shown in the status to all who see it";
      return refused(`people cause what ${id} sees, and what it sees is not shown without a word about that`, remedy);
    }
    if (forMs > (people ? PEOPLE_WATCH_MS_MAX : WATCH_MS_MAX)) {
      return refused(`${id} is watched for ${people ? "10m, because of people," : "1d"} at most`, "ask for less with --for");
    }
    const count = [...this.#watching.values()].flat().length;
    return count < WATCHES_MAX ? null : refused(`${count} watches are on, and there are no more at a time`, "end one of them");
  }

  /** On the card when it resolves: as a link of the chain of changes, which nobody can take out unseen. */
  async #isWritten({ sensor, wants, by, forMs }: WatchOrder): Promise<boolean> {
    const text = JSON.stringify({ watch: { sensor, wants, by, forMs } });
    const madeAt = this.#world.time.best();
    try {
      await this.#world.outbox.commit({ rows: [], marks: new Map(), facts: new Map(), changes: [text], madeAt });
      return true;
    } catch (error) {
      if (!(error instanceof OutboxError)) throw error;
      this.#world.events.emit({ type: "OutboxFailed", code: "watch", detail: error.message });
      return false;
    }
  }

  #start(order: WatchOrder, sensor: Sensor, people: boolean, now: MonotonicMs, open: (grant: WatchGrant) => Tap): void {
    const { plan } = sensor;
    const { id } = plan;
    const { clock, events } = this.#world;
    if (people) {
      this.#flags.set(id, (this.#flags.get(id) ?? 0) + 1);
      this.#world.onFlagged();
    }
    events.emit({ type: "WatchBegan", sensor: id, wants: order.wants });
    const settle = (): void => {
      events.emit({ type: "WatchEnded", sensor: id });
      if (people) this.#lower(id);
    };
    let isOver = false;
    let tap: Tap | null = null;
    const over = (because: WatchEnd): void => {
      if (isOver) return;
      isOver = true;
      if (tap !== null) this.#remove(id, tap);
      // How soon a reader falls behind depends on how many pass: others learn of the end when it would have come anyway.
      if (people && because === "slow") clock.after(Math.max(0, now + order.forMs - clock.monotonicMs()), settle);
      else settle();
    };
    const { wants, forMs } = order;
    tap = open({ sensor, wants, forMs, isOfPeople: people, opened: this.#opened.get(id) ?? null, over });
    // Whoever asked may have gone meanwhile.
    if (!isOver) this.#watching.set(id, [...(this.#watching.get(id) ?? []), { plan, tap }]);
  }

  #remove(id: SensorId, gone: Tap): void {
    const left = (this.#watching.get(id) ?? []).filter(({ tap }) => tap !== gone);
    if (left.length === 0) this.#watching.delete(id);
    else this.#watching.set(id, left);
  }

  #lower(id: SensorId): void {
    const left = (this.#flags.get(id) ?? 0) - 1;
    if (left > 0) this.#flags.set(id, left);
    else this.#flags.delete(id);
  }

  /** A capture begins with how the port stands open, which was told to the session long before. */
  #remember(id: SensorId, event: BusEvent): void {
    switch (event.type) {
      case "opened":
        this.#opened.set(id, event.settings);
        break;
      case "closed":
        this.#opened.delete(id);
        break;
      case "edge": {
        const opened = this.#opened.get(id);
        const line = opened?.lines?.[event.line];
        if (opened !== undefined && line !== undefined && line.high !== event.rising) {
          this.#opened.set(id, { ...opened, lines: { ...opened.lines, [event.line]: { high: event.rising } } });
        }
        break;
      }
    }
  }
}

const refused = (because: string, remedy: string): Extract<WatchAnswer, { is: "refused" }> => ({ is: "refused", because, remedy });
