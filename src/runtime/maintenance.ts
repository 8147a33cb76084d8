import type { SensorId } from "../core/units/ids.ts";
import { DAY_MS, type EpochMs, isoUtc } from "../core/units/time.ts";
import type { Window } from "../core/window/lattice.ts";
import type { Clock } from "../ports/clock.ts";
import type { Events } from "../ports/events.ts";
import { MAINTENANCE_FACT, type Outbox, OutboxError } from "../ports/outbox.ts";
import type { TimeDesk } from "./time-desk.ts";

/** Longest that somebody may announce; who needs longer says so again, or sets `enabled: false`. */
export const MAINTENANCE_MS_MAX = 7 * DAY_MS;
/** Spells are remembered until no window that they touch can be closed any more: 96 windows of an hour are caught up with, and slack. */
const REMEMBERED_MS = 7 * DAY_MS;
/** Most spells that are remembered of a sensor; the oldest goes. */
export const SPELLS_MAX = 64;

/** A time in which somebody works on a sensor. */
interface Spell {
  readonly from: EpochMs;
  readonly until: EpochMs;
  /** Somebody said that it is over: whatever a clock shows later that was put back. */
  readonly isOver?: true;
}

/** A spell that was begun while the clock was not trusted, on the clock that is always right. */
interface Unlabelled {
  readonly fromMs: number;
  readonly untilMs: number;
}

export interface MaintenanceWorld {
  readonly clock: Clock;
  readonly outbox: Outbox;
  readonly events: Events;
  readonly time: TimeDesk;
}

/**
 * Knows which sensors somebody works on, and which windows that touches (CONTRACT §3). It is a fact of the node store, so that it survives
 * a restart and a reboot: whoever works on a sensor often switches the node off. It depends on what operators say and on nothing else, so
 * that a window of people tells nothing by it.
 */
export class Maintenance {
  readonly #world: MaintenanceWorld;
  #spells = new Map<string, readonly Spell[]>();
  /** What the last spell of a sensor really is, while the clock is not trusted: it was written down by what the wall clock showed. */
  readonly #unlabelled = new Map<SensorId, Unlabelled>();
  /** It was no earlier than this at that time on the monotonic clock: so late was it trusted to be, or somebody began a spell. */
  #noEarlier = { wallMs: 0, monoMs: 0 };
  /** What is written down is not what is known. */
  #isUnwritten = false;

  constructor(world: MaintenanceWorld) {
    this.#world = world;
  }

  /** Reads what an earlier run was told. A fact that cannot be read is forgotten: the worst is a window without its flag. */
  async load(): Promise<void> {
    const text = await this.#world.outbox.recall(MAINTENANCE_FACT);
    if (text === null) return;
    try {
      this.#spells = new Map(Object.entries(JSON.parse(text) as Record<string, readonly Spell[]>));
    } catch {
      this.#spells = new Map();
    }
    const begun = [...this.#spells.values()].flat().map(({ from }) => from);
    const wallMs = Math.max(this.#world.time.lastTrusted() ?? 0, ...begun);
    this.#noEarlier = { wallMs, monoMs: this.#world.clock.monotonicMs() };
  }

  isActive(sensor: SensorId): boolean {
    const unlabelled = this.#unlabelled.get(sensor);
    const nowMs = this.#world.clock.monotonicMs();
    if (unlabelled !== undefined) return nowMs < unlabelled.untilMs;
    return (this.#spells.get(sensor) ?? []).some((spell) => this.#within(spell) !== null);
  }

  /** Whether somebody worked on the sensor within the window. */
  touches(sensor: SensorId, { start, end }: Window): boolean {
    return (this.#spells.get(sensor) ?? []).some(({ from, until }) => from < end && until > start);
  }

  /** From now on, for so long; another word about the same sensor replaces it. Rejects with `OutboxError`, and is not in force then. */
  async begin(sensor: SensorId, forMs: number): Promise<EpochMs> {
    const from = this.#now();
    const until = (from + forMs) as EpochMs;
    await this.#write(new Map([[sensor, [...this.#ended(sensor), { from, until }]]]));
    const fromMs = this.#world.clock.monotonicMs();
    if (this.#world.time.now() === null) this.#unlabelled.set(sensor, { fromMs, untilMs: fromMs + forMs });
    this.#world.events.emit({ type: "MaintenanceBegan", sensor, until: isoUtc(until) });
    return until;
  }

  /** It is over. */
  async end(sensor: SensorId): Promise<void> {
    if (!this.isActive(sensor)) return;
    await this.#write(new Map([[sensor, this.#ended(sensor)]]));
    const unlabelled = this.#unlabelled.get(sensor);
    if (unlabelled !== undefined) this.#unlabelled.set(sensor, { ...unlabelled, untilMs: this.#world.clock.monotonicMs() });
    this.#world.events.emit({ type: "MaintenanceEnded", sensor });
  }

  /** Called often. Once time is trusted, what was begun before gets its right place; where that cannot be written, at a later call. */
  async settle(): Promise<void> {
    const now = this.#world.time.now();
    if (now !== null && this.#unlabelled.size > 0) this.#place(now);
    if (!this.#isUnwritten) return;
    try {
      await this.#write(new Map());
    } catch (error) {
      if (!(error instanceof OutboxError)) throw error;
      this.#world.events.emit({ type: "OutboxFailed", code: "maintenance", detail: error.message });
    }
  }

  #place(now: EpochMs): void {
    const offsetMs = now - this.#world.clock.monotonicMs();
    for (const [sensor, { fromMs, untilMs }] of this.#unlabelled) {
      const right = { from: Math.round(fromMs + offsetMs) as EpochMs, until: Math.round(untilMs + offsetMs) as EpochMs };
      this.#spells.set(sensor, [...(this.#spells.get(sensor) ?? []).slice(0, -1), right]);
    }
    this.#unlabelled.clear();
    this.#isUnwritten = true;
  }

  #now(): EpochMs {
    return this.#world.time.best();
  }

  /**
   * When it is while a spell is in force; null when it is not. Where nobody vouches for the wall clock, it can be hours behind, as after a
   * power cut, and a spell that was announced before would seem not to have begun: such a one lasts as long as it may.
   */
  #within({ from, until, isOver }: Spell): EpochMs | null {
    const { time, clock } = this.#world;
    const { wallMs, monoMs } = this.#noEarlier;
    const earliest = Math.ceil(wallMs + clock.monotonicMs() - monoMs) as EpochMs;
    const nows = time.now() === null ? [time.best(), earliest] : [time.best()];
    return (isOver ? undefined : nows.find((now) => from <= now && now < until)) ?? null;
  }

  #ended(sensor: SensorId): readonly Spell[] {
    return (this.#spells.get(sensor) ?? []).map((spell) => {
      const until = this.#within(spell);
      return until === null ? spell : { ...spell, until, isOver: true };
    });
  }

  async #write(changed: ReadonlyMap<SensorId, readonly Spell[]>): Promise<void> {
    const oldest = this.#now() - REMEMBERED_MS;
    const next = new Map([...this.#spells, ...changed]);
    for (const [id, all] of next) {
      const kept = all.filter(({ until }) => until > oldest).slice(-SPELLS_MAX);
      if (kept.length === 0) next.delete(id);
      else next.set(id, kept);
    }
    const facts = new Map([[MAINTENANCE_FACT, JSON.stringify(Object.fromEntries(next))]]);
    await this.#world.outbox.commit({ rows: [], marks: new Map(), facts, madeAt: this.#now() });
    this.#spells = next;
    this.#isUnwritten = false;
  }
}
