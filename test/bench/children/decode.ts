import { createModbusCodec } from "../../../src/adapters/modbus-codec.ts";
import { assert } from "../../../src/core/assert.ts";
import { crc16Modbus } from "../../../src/core/framing/checksums.ts";
import { AnswerCutter, type AnswerSink, FUNCTION_OF, type RegisterRange } from "../../../src/core/framing/modbus-rtu.ts";
import { type MonotonicMs, monotonicMs } from "../../../src/core/units/time.ts";
import type { BusEvent, Session, SessionSink } from "../../../src/driver-api/driver.ts";
import { answer, inputOf } from "../child.ts";
import { livedConversation } from "../world/conversations.ts";

export interface DecodeInput {
  readonly driver: string;
  /** How many sensors are compared with one. */
  readonly sensors: number;
  readonly rounds: number;
  /** CPU time of a round, milliseconds. */
  readonly roundMs: number;
}

export interface Decoded {
  readonly file: string;
  readonly port: string;
  /** Of a serial line, as the driver's port is set: bits per second. */
  readonly baudRate: number | null;
  readonly bytesPerPass: number;
  readonly framesPerPass: number;
  readonly edgesPerPass: number;
  /** CPU microseconds that one sensor costs for a pass over the conversation, by round. */
  readonly oneUs: readonly number[];
  readonly manyUs: readonly number[];
}

const EVENTS_BETWEEN_LOOKS = 10_000;
const UNIT = 1;
const NOBODY: AnswerSink = { frame: () => {}, discard: () => {} };
const nothing = (): void => {};
/** What a driver says is counted elsewhere: here only its own work is. */
const DEAF: SessionSink = {
  ...{ reading: nothing, passage: nothing, total: nothing, identity: nothing, request: nothing, write: nothing, reopen: nothing },
  ...{ signal: nothing, expect: nothing, about: nothing, timer: nothing, discard: nothing, fault: nothing },
};

const { driver: name, sensors, rounds, roundMs } = inputOf<DecodeInput>();
const { driver, options, events, file, lengthMs, asked } = await livedConversation(name);
const started = (count: number): Session[] => Array.from({ length: count }, () => driver.start(options));

/** Every event to every session in turn, as sensors of one node speak; the clock goes on from pass to pass. */
let passes = 0;
// One object an event, whose time is set anew: what is measured is the driver, and not the making of events.
const told = events.map((event) => ({ ...event }) as BusEvent & { atMs: MonotonicMs });
function pass(sessions: readonly Session[]): void {
  const sinceMs = passes++ * lengthMs;
  for (let index = 0; index < told.length; index++) {
    const event = told[index] as BusEvent & { atMs: MonotonicMs };
    event.atMs = monotonicMs((events[index]?.atMs ?? 0) + sinceMs);
    for (const session of sessions) {
      if (event.type === "reply") answered(events[index] as BusEvent);
      session.handle(event, DEAF);
    }
  }
}

/** A reply of a bus, as it comes from the line: its frame is cut out of it and judged before the driver has its registers. */
const codec = createModbusCodec();
const cutter = new AnswerCutter();
const wired = new Map([...asked].map(([event, registers]) => [event, { registers, ...framesOf(event, registers) }]));

function framesOf(event: BusEvent, registers: RegisterRange): { readonly question: Uint8Array; readonly frame: Uint8Array } {
  const data = event.type === "reply" ? event.data : new Uint8Array();
  const frame = Uint8Array.of(UNIT, FUNCTION_OF[registers.table], data.length, ...data, 0, 0);
  const crc = crc16Modbus(frame, 0, frame.length - 2);
  frame.set([crc & 0xff, crc >> 8], frame.length - 2);
  return { question: codec.question(UNIT, registers), frame };
}

function answered(event: BusEvent): void {
  const exchange = wired.get(event);
  if (exchange === undefined) return;
  const { question, registers, frame } = exchange;
  cutter.asked(question, registers, NOBODY);
  cutter.push(frame, {
    discard: () => assert(false, "the frame is right"),
    frame: (data) => assert(codec.judge(data, UNIT, registers).is === "reply", "and the answer"),
  });
}

function usPerPass(sessions: readonly Session[]): number {
  const from = process.cpuUsage();
  // The clock is looked at now and then only: a look costs as much as some events.
  const atATime = Math.max(1, Math.ceil(EVENTS_BETWEEN_LOOKS / (events.length * sessions.length)));
  let done = 0;
  for (;;) {
    for (let each = 0; each < atATime; each++) pass(sessions);
    done += atATime;
    const { user, system } = process.cpuUsage(from);
    if (user + system >= roundMs * 1_000) return (user + system) / done / sessions.length;
  }
}

const one = started(1);
const many = started(sensors);
const oneUs: number[] = [];
const manyUs: number[] = [];
for (let round = 0; round <= rounds; round++) {
  const [us, each] = [usPerPass(one), usPerPass(many)];
  if (round === 0) continue; // warms up
  oneUs.push(us);
  manyUs.push(each);
}
const bytesOf = (event: BusEvent): number =>
  wired.get(event)?.frame.length ?? (event.type === "bytes" || event.type === "reply" ? event.data.length : 0);
const sum = (of: (event: BusEvent) => number): number => events.reduce((total, event) => total + of(event), 0);
const decoded: Decoded = {
  file,
  port: driver.port,
  baudRate: driver.serial?.baudRate ?? null,
  bytesPerPass: sum(bytesOf),
  framesPerPass: sum(({ type }) => (type === "bytes" || type === "reply" || type === "edge" ? 1 : 0)),
  edgesPerPass: sum(({ type }) => (type === "edge" ? 1 : 0)),
  oneUs,
  manyUs,
};
answer(decoded);
