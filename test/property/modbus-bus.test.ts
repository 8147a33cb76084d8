import fc from "fast-check";
import { expect, it } from "vitest";
import { answerBytes, lineTiming, QUESTION_BYTES } from "../../src/core/framing/modbus-rtu.ts";
import { type Bus, CLOSED_BUS, type ModbusEffect, type ModbusEvent, stepModbus, wakeAtMs } from "../../src/core/machine/modbus-bus.ts";
import type { SerialSettings } from "../../src/core/units/port.ts";

type Event = ModbusEvent extends infer Each ? (Each extends ModbusEvent ? Omit<Each, "atMs"> : never) : never;

/** What a unit does with a question that it hears. */
type Manner =
  | { readonly is: "answers" | "excepts"; readonly afterMs: number }
  | { readonly is: "silent" }
  | { readonly is: "late"; readonly byMs: number };

interface Street {
  readonly settings: SerialSettings;
  readonly timeoutMs: number;
  /** By unit from 1; a unit's manners come round in turn. */
  readonly manners: readonly (readonly Manner[])[];
}

interface Planned {
  readonly atMs: number;
  readonly unit: number;
  readonly event: Event;
}

/**
 * A bus over a line in virtual time, whose units answer as they are told. Checks at each question that the line is free: nothing is in
 * flight, and the gap since the last byte is over.
 */
class World {
  readonly sent: { readonly unit: number; readonly atMs: number }[] = [];
  readonly told: { readonly unit: number; readonly is: string; readonly atMs: number }[] = [];
  #bus: Bus = CLOSED_BUS;
  #atMs = 0;
  #planned: Planned[] = [];
  /** Until when the line is taken by the question and the answer that is being said. */
  #freeFromMs = 0;
  readonly #street: Street;
  readonly #asked = new Map<number, number>();

  constructor(street: Street) {
    this.#street = street;
    this.#tell({ type: "opened", line: lineTiming(street.settings) });
    for (const [index] of street.manners.entries()) this.#tell({ type: "attach", unit: index + 1 });
  }

  get atMs(): number {
    return this.#atMs;
  }

  ask(unit: number, tag: string): void {
    this.#tell({
      type: "ask",
      question: { unit, tag, registers: { table: "input", address: 0, count: 2 }, timeoutMs: this.#street.timeoutMs },
    });
  }

  /** Runs until the street is quiet, or this time has come. */
  runUntil(untilMs: number): void {
    for (;;) {
      const wakeMs = wakeAtMs(this.#bus) ?? Number.POSITIVE_INFINITY;
      const next = this.#planned.reduce<Planned | null>((first, each) => (first === null || each.atMs < first.atMs ? each : first), null);
      const nextMs = Math.min(wakeMs, next?.atMs ?? Number.POSITIVE_INFINITY);
      if (nextMs > untilMs) break;
      this.#atMs = Math.max(this.#atMs, nextMs);
      if (next !== null && next.atMs <= wakeMs) {
        this.#planned = this.#planned.filter((each) => each !== next);
        this.#hear(next);
      } else this.#tell({ type: "due" });
    }
    this.#atMs = Math.max(this.#atMs, untilMs);
  }

  #hear({ unit, event }: Planned): void {
    this.#freeFromMs = Math.max(this.#freeFromMs, this.#atMs);
    this.#tell({ type: "heard" });
    const { exchange } = this.#bus;
    // As the shell: an answer of the unit that is asked is its answer; any other frame is a stray.
    const isAnswer = event.type === "answered" && exchange?.sent === true && exchange.question.unit === unit;
    this.#tell(isAnswer ? event : { type: "stray", unit });
  }

  #tell(event: Event): void {
    const { bus, effects } = stepModbus(this.#bus, { ...event, atMs: this.#atMs } as ModbusEvent);
    this.#bus = bus;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: ModbusEffect): void {
    if (effect.type === "restart") return;
    const { question } = effect;
    if (effect.type !== "send") {
      const is = effect.type === "reply" ? "reply" : effect.reason;
      this.told.push({ unit: question.unit, is, atMs: this.#atMs });
      return;
    }
    const { characterMs, gapMs } = lineTiming(this.#street.settings);
    // Floats add up: a millionth of a millisecond is no time on any line.
    expect(this.#atMs, "the gap before a question").toBeGreaterThanOrEqual(this.#freeFromMs + gapMs - 1e-6);
    const saidMs = this.#atMs + QUESTION_BYTES * characterMs;
    this.#freeFromMs = saidMs;
    this.sent.push({ unit: question.unit, atMs: this.#atMs });
    const nth = this.#asked.get(question.unit) ?? 0;
    this.#asked.set(question.unit, nth + 1);
    const manners = this.#street.manners[question.unit - 1] ?? [];
    const manner = manners[nth % manners.length];
    if (manner === undefined || manner.is === "silent") return;
    const wireMs = answerBytes(question.registers) * characterMs;
    const afterMs = manner.is === "late" ? this.#street.timeoutMs + manner.byMs : manner.afterMs;
    const code = manner.is === "excepts" ? 2 : null;
    this.#planned.push({ atMs: saidMs + afterMs + wireMs, unit: question.unit, event: { type: "answered", code } });
  }
}

const settings = fc.record({
  baudRate: fc.constantFrom(1_200, 9_600, 19_200, 38_400, 115_200),
  parity: fc.constantFrom("none" as const, "even" as const, "odd" as const),
  stopBits: fc.constantFrom(1 as const, 2 as const),
});
const TIMEOUT_MS = 300;
const STEP_MS = 10;
const manner: fc.Arbitrary<Manner> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ is: fc.constant("answers" as const), afterMs: fc.double({ min: 0, max: TIMEOUT_MS * 0.99, noNaN: true }) }),
  },
  { weight: 1, arbitrary: fc.constant<Manner>({ is: "excepts", afterMs: 5 }) },
  { weight: 2, arbitrary: fc.constant<Manner>({ is: "silent" }) },
  // Later than that nobody can tell: frames have no number (ADR 0022).
  {
    weight: 2,
    arbitrary: fc.record({ is: fc.constant("late" as const), byMs: fc.double({ min: 0.1, max: 4 * TIMEOUT_MS - 50, noNaN: true }) }),
  },
);

it("one question at a time, the gap kept, every question ended once, and no late answer taken for the next", () => {
  fc.assert(
    fc.property(
      fc.record({
        settings,
        timeoutMs: fc.constant(TIMEOUT_MS),
        manners: fc.array(fc.array(manner, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 8 }),
      }),
      fc.array(fc.record({ unit: fc.nat(7), waitMs: fc.nat(400) }), { minLength: 1, maxLength: 60 }),
      (street, questions) => {
        const world = new World(street);
        let asked = 0;
        for (const { unit, waitMs } of questions) {
          world.runUntil(world.atMs + waitMs);
          world.ask((unit % street.manners.length) + 1, `q${asked++}`);
        }
        world.runUntil(world.atMs + 600_000);
        expect(world.told.length, "each ends in one way").toBe(asked);
        expectOnlyTimely(world, street);
      },
    ),
    { numRuns: 300 },
  );
});

/** A unit is replied for as often as it answered in time, never for a late one. */
function expectOnlyTimely({ sent, told }: World, { manners }: Street): void {
  for (const [index, own] of manners.entries()) {
    const unit = index + 1;
    const questions = sent.filter((each) => each.unit === unit).length;
    const timely = Array.from({ length: questions }, (_, nth) => own[nth % own.length]).filter((each) => each?.is === "answers").length;
    const replies = told.filter((each) => each.unit === unit && each.is === "reply").length;
    expect(replies, `replies of unit ${unit}`).toBe(timely);
  }
}

it("with one dead unit of eight each other unit has its turn within one timeout a cycle", () => {
  fc.assert(
    fc.property(settings, fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 100 }), (line, dead, thinkMs) => {
      const manners = Array.from({ length: 8 }, (_, index): readonly Manner[] => [
        index + 1 === dead ? { is: "silent" } : { is: "answers", afterMs: thinkMs },
      ]);
      const world = new World({ settings: line, timeoutMs: TIMEOUT_MS, manners });
      const { characterMs, gapMs } = lineTiming(line);
      const exchangeMs = (QUESTION_BYTES + 9) * characterMs + gapMs + 1e-3;
      // All are asked again as soon as they have been told, the greediest street there is.
      const cycleMs = 7 * (exchangeMs + thinkMs) + exchangeMs + TIMEOUT_MS;
      const seen = new Array<number>(9).fill(0);
      let read = 0;
      let again = [1, 2, 3, 4, 5, 6, 7, 8];
      for (let step = 0; step < 600; step++) {
        for (const unit of again) world.ask(unit, "a");
        world.runUntil(world.atMs + STEP_MS);
        const news = world.told.slice(read);
        read = world.told.length;
        for (const { unit, is, atMs } of news) {
          if (is !== "reply") continue;
          expect(atMs - (seen[unit] as number), `unit ${unit} waits`).toBeLessThanOrEqual(cycleMs + STEP_MS);
          seen[unit] = atMs;
        }
        again = news.map(({ unit }) => unit);
      }
      expect(world.told.some(({ unit, is }) => unit === dead && is === "timeout")).toBe(true);
      for (let unit = 1; unit <= 8; unit++) if (unit !== dead) expect(seen[unit]).toBeGreaterThan(0);
    }),
    { numRuns: 30 },
  );
});
