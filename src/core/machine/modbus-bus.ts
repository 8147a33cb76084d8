import { unreachable } from "../assert.ts";
import { answerBytes, type LineTiming, QUESTION_BYTES, type RegisterRange } from "../framing/modbus-rtu.ts";

/** What a session wants to know of its unit. `timeoutMs`: how long the unit may take to begin its answer. */
export interface Question {
  readonly unit: number;
  readonly tag: string;
  readonly registers: RegisterRange;
  readonly timeoutMs: number;
}

/** One unit of the bus. */
export interface UnitState {
  /** A detached unit is remembered: what it owes can still come. */
  readonly attached: boolean;
  readonly queue: readonly Question[];
  /** Questions in a row that it did not answer. */
  readonly failures: number;
  /** It has answered since the line was opened. */
  readonly hasAnswered: boolean;
  /** It is not asked before this. */
  readonly restUntilMs: number;
  /** It was asked and did not answer in time; the answer may still come. */
  readonly owes: boolean;
}

/** The one question that owns the bus. */
export interface Exchange {
  readonly question: Question;
  /** false: it waits for the line to be silent. */
  readonly sent: boolean;
  readonly dueMs: number;
  /** Whoever asked it is gone; the line is its own all the same until it is answered or due. */
  readonly orphan: boolean;
}

/** A serial line with several units, of which one at a time may be asked. */
export interface Bus {
  /** null: closed. */
  readonly line: LineTiming | null;
  readonly units: ReadonlyMap<number, UnitState>;
  /** The unit that had its turn last. */
  readonly lastUnit: number;
  readonly exchange: Exchange | null;
  /** The next frame may begin now: the gap after the last one is over. */
  readonly quietAtMs: number;
  /** When a unit last showed life, or the line was opened. */
  readonly lastLifeMs: number;
}

export const CLOSED_BUS: Bus = { line: null, units: new Map(), lastUnit: 0, exchange: null, quietAtMs: 0, lastLifeMs: 0 };

/** What happens to a bus. `atMs` is on the monotonic clock. */
export type ModbusEvent = { readonly atMs: number } & (
  | { readonly type: "opened"; readonly line: LineTiming }
  | { readonly type: "closed" }
  | { readonly type: "attach"; readonly unit: number }
  | { readonly type: "detach"; readonly unit: number }
  | { readonly type: "ask"; readonly question: Question }
  /** Bytes came, whosever they are. */
  | { readonly type: "heard" }
  /** A frame came that answers the question of the exchange. `code`: of an exception; null: a reply. */
  | { readonly type: "answered"; readonly code: number | null }
  /** A frame came that is right in itself and answers nothing that is asked now. */
  | { readonly type: "stray"; readonly unit: number }
  /** The moment of `wakeAt`, or another. */
  | { readonly type: "due" }
);

export type ModbusEffect =
  | { readonly type: "send"; readonly question: Question }
  /** The frame that is being handled is the reply to it. */
  | { readonly type: "reply"; readonly question: Question }
  | { readonly type: "noReply"; readonly question: Question; readonly reason: "timeout" | "exception" | "busy"; readonly code?: number }
  /** Nobody has answered for a long time: the line itself may be dead. */
  | { readonly type: "restart" };

/** Most questions that wait for one unit. A driver asks for a group of registers at a time, and has few of them. */
export const QUEUE_LENGTH_MAX = 32;

/**
 * How long a unit is left alone after a question that it did not answer: the first time a second, doubling to ten, so that it is back
 * within 10 s of its return, as a port is (`link.ts`).
 */
const REST_FIRST_MS = 1_000;
const REST_LONGEST_MS = 10_000;
/**
 * Frames carry no number (SL §2.5.1), so an answer that comes late looks like the answer to the next question of the same form. While a
 * unit rests nothing is asked of it that this could be taken for: it may be late by so many timeouts.
 */
const REST_TIMEOUTS = 4;
/** An adapter that hangs looks like units that are all dead: then the line is opened anew. */
const DEAD_LINE_MS = 60_000;
const DEAD_LINE_FAILURES = 2;

const NEW_UNIT: UnitState = { attached: false, queue: [], failures: 0, hasAnswered: false, restUntilMs: 0, owes: false };

export interface ModbusStep {
  readonly bus: Bus;
  readonly effects: readonly ModbusEffect[];
}

const stay = (bus: Bus): ModbusStep => ({ bus, effects: [] });

/** When the bus wants to be told `due`; null: not before something else happens. */
export function wakeAtMs({ exchange, quietAtMs }: Bus): number | null {
  if (exchange === null) return null;
  return exchange.sent ? exchange.dueMs : Math.min(quietAtMs, exchange.dueMs);
}

/** The next state of a bus and what is to be done. One question is out at any time, and units take turns. */
export function stepModbus(bus: Bus, event: ModbusEvent): ModbusStep {
  const { atMs } = event;
  switch (event.type) {
    case "opened":
      return stay({ ...bus, line: event.line, quietAtMs: atMs + event.line.gapMs, lastLifeMs: atMs });
    case "closed":
      return stay(closed(bus, atMs));
    case "attach":
      return stay(withUnit(bus, event.unit, { attached: true, queue: [] }));
    case "detach":
      return detached(bus, event.unit, atMs);
    case "ask":
      return asked(bus, event.question, atMs);
    case "heard":
      return stay(bus.line === null ? bus : { ...bus, quietAtMs: Math.max(bus.quietAtMs, atMs + bus.line.gapMs) });
    case "answered":
      return answered(bus, event.code, atMs);
    case "stray":
      return strayed(bus, event.unit, atMs);
    case "due":
      return due(bus, atMs);
    default:
      return unreachable(event);
  }
}

/** Everybody has left. What is owed can still come when the line is open again: those units go on resting. */
function closed({ units, exchange }: Bus, atMs: number): Bus {
  const left = new Map([...units].map(([unit, { restUntilMs, owes }]) => [unit, { ...NEW_UNIT, restUntilMs, owes }]));
  const bus = { ...CLOSED_BUS, units: left };
  if (exchange === null || !exchange.sent) return bus;
  const { unit, timeoutMs } = exchange.question;
  return withUnit(bus, unit, { owes: true, restUntilMs: atMs + REST_TIMEOUTS * timeoutMs });
}

function withUnit(bus: Bus, unit: number, changes: Partial<UnitState>): Bus {
  return { ...bus, units: new Map(bus.units).set(unit, { ...(bus.units.get(unit) ?? NEW_UNIT), ...changes }) };
}

function detached(bus: Bus, unit: number, atMs: number): ModbusStep {
  const { exchange } = bus;
  const left = withUnit(bus, unit, { attached: false, queue: [] });
  if (exchange === null || exchange.question.unit !== unit) return stay(left);
  // What was not sent yet need not be: it is the turn of the next.
  return exchange.sent ? stay({ ...left, exchange: { ...exchange, orphan: true } }) : turn({ ...left, exchange: null }, atMs);
}

function asked(bus: Bus, question: Question, atMs: number): ModbusStep {
  const unit = bus.units.get(question.unit);
  if (bus.line === null || unit === undefined || !unit.attached || unit.queue.length >= QUEUE_LENGTH_MAX || atMs < unit.restUntilMs) {
    return { bus, effects: [{ type: "noReply", question, reason: "busy" }] };
  }
  return turn(withUnit(bus, question.unit, { queue: [...unit.queue, question], owes: false }), atMs);
}

/** Gives the bus to the next unit that has a question, and sends that when the line is silent. */
function turn(bus: Bus, atMs: number): ModbusStep {
  const { line } = bus;
  if (line === null) return stay(bus);
  const begun = bus.exchange === null ? begin(bus, atMs) : bus;
  const { exchange } = begun;
  if (exchange === null || exchange.sent || atMs < begun.quietAtMs) return stay(begun);
  const { question } = exchange;
  const sentMs = atMs + QUESTION_BYTES * line.characterMs;
  const dueMs = sentMs + question.timeoutMs + answerBytes(question.registers) * line.characterMs;
  return {
    bus: { ...begun, quietAtMs: sentMs + line.gapMs, exchange: { ...exchange, sent: true, dueMs } },
    effects: [{ type: "send", question }],
  };
}

/** Round robin: the next unit after the last one, in the order of their numbers, that has a question. */
function begin(bus: Bus, atMs: number): Bus {
  const waiting = [...bus.units].filter(([, { queue }]) => queue.length > 0).map(([unit]) => unit);
  if (waiting.length === 0) return bus;
  const after = waiting.filter((unit) => unit > bus.lastUnit);
  const unit = Math.min(...(after.length > 0 ? after : waiting));
  const [question, ...queue] = bus.units.get(unit)?.queue ?? [];
  if (question === undefined) return bus;
  const exchange: Exchange = { question, sent: false, dueMs: atMs + question.timeoutMs, orphan: false };
  return { ...withUnit(bus, unit, { queue }), lastUnit: unit, exchange };
}

function answered(bus: Bus, code: number | null, atMs: number): ModbusStep {
  const { exchange } = bus;
  if (exchange === null || !exchange.sent) return stay(bus);
  const { question, orphan } = exchange;
  const answer: ModbusEffect = code === null ? { type: "reply", question } : { type: "noReply", question, reason: "exception", code };
  const well = withUnit(bus, question.unit, { failures: 0, hasAnswered: true, restUntilMs: 0, owes: false });
  return then(orphan ? [] : [answer], turn({ ...well, exchange: null, lastLifeMs: atMs }, atMs));
}

/** It came too late to be used. The debt is paid: the unit can be asked again. */
function strayed(bus: Bus, unit: number, atMs: number): ModbusStep {
  const alive = { ...bus, lastLifeMs: atMs };
  return stay(bus.units.get(unit)?.owes ? withUnit(alive, unit, { owes: false, restUntilMs: atMs }) : alive);
}

function due(bus: Bus, atMs: number): ModbusStep {
  const { exchange } = bus;
  if (exchange === null || atMs < exchange.dueMs) return turn(bus, atMs);
  const { question, orphan } = exchange;
  if (!exchange.sent) {
    // The line was never silent: that is not the fault of this unit.
    return then(orphan ? [] : [{ type: "noReply", question, reason: "busy" }], turn({ ...bus, exchange: null }, atMs));
  }
  const unit = bus.units.get(question.unit) ?? NEW_UNIT;
  const failures = unit.failures + 1;
  const restMs = Math.max(Math.min(REST_FIRST_MS * 2 ** Math.min(unit.failures, 10), REST_LONGEST_MS), REST_TIMEOUTS * question.timeoutMs);
  const failed = withUnit({ ...bus, exchange: null }, question.unit, { queue: [], failures, owes: true, restUntilMs: atMs + restMs });
  const told: ModbusEffect[] = orphan ? [] : [{ type: "noReply", question, reason: "timeout" }];
  // What else it was to be asked would only cost the others more: it is told now, and asked again when the unit has rested.
  for (const other of unit.queue) told.push({ type: "noReply", question: other, reason: "busy" });
  if (isDead(failed, atMs)) return then([...told, { type: "restart" }], stay({ ...failed, lastLifeMs: atMs }));
  return then(told, turn(failed, atMs));
}

/**
 * Nobody answers, for long, and it may be the line: one that did was asked twice in vain. One that has never answered in this opening,
 * though others have, is dead by itself, and no reason. Who is asked once an hour is not waited for: an opening asks everybody.
 */
function isDead({ units, lastLifeMs }: Bus, atMs: number): boolean {
  const attached = [...units.values()].filter((unit) => unit.attached);
  const hasOneAnswered = attached.some(({ hasAnswered }) => hasAnswered);
  const isReason = ({ failures, hasAnswered }: UnitState): boolean => failures >= DEAD_LINE_FAILURES && (hasAnswered || !hasOneAnswered);
  return atMs - lastLifeMs >= DEAD_LINE_MS && attached.some(isReason);
}

const then = (effects: readonly ModbusEffect[], next: ModbusStep): ModbusStep => ({
  bus: next.bus,
  effects: [...effects, ...next.effects],
});
