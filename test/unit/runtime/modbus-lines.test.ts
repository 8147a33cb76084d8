import { describe, expect, it } from "vitest";
import { createModbusCodec } from "../../../src/adapters/modbus-codec.ts";
import type { PortPlan, SensorPlan } from "../../../src/config/plan.ts";
import { crc16Modbus } from "../../../src/core/framing/checksums.ts";
import { sensorId } from "../../../src/core/units/ids.ts";
import type { BusEvent, Session, SessionSink } from "../../../src/driver-api/driver.ts";
import { FakeSerialBus } from "../../../src/testing/fake-serial-bus.ts";
import { VirtualClock } from "../../../src/testing/virtual-clock.ts";
import { channelPlan, driverOf, nodePlan, sensorPlan } from "../../support/plans.ts";
import { VirtualNode } from "../../support/virtual-node.ts";

const PATH = "/dev/serial/by-id/rs485";
const REGISTERS = { table: "holding", address: 0, count: 1 } as const;
const TIMEOUT_MS = 200;

type UnitPort = Extract<PortPlan, { is: "modbus" }>;
type Handler = (event: BusEvent, out: SessionSink) => void;

/** A unit whose session keeps what it hears, and does as a test says. */
function unit(number: number, { answer = () => {}, ...port }: Partial<UnitPort> & { answer?: Handler } = {}) {
  const events: BusEvent[] = [];
  let sink: SessionSink | null = null;
  const session: Session = {
    handle(event, out) {
      sink = out;
      events.push(event.type === "reply" ? { ...event, data: event.data.slice() } : event);
      answer(event, out);
    },
  };
  const plan = sensorPlan({
    id: sensorId(`unit-${number}`),
    driver: driverOf(session, { port: "modbus" }),
    port: { is: "modbus", bus: "rs485-1", unit: number, path: PATH, settings: { baudRate: 9_600 }, ...port },
  });
  const ask = (tag = "q") => sink?.request(tag, { registers: REGISTERS }, TIMEOUT_MS);
  const types = () => events.map(({ type }) => type);
  return { plan, events, ask, types };
}

/** A node on virtual time, over serial lines without hardware and the real codec. */
async function running(...plans: readonly SensorPlan[]) {
  const clock = new VirtualClock();
  const serial = new FakeSerialBus({ defer: (task) => void clock.after(0, task) });
  serial.plug(PATH);
  const node = new VirtualNode(clock, { serial, modbus: createModbusCodec() });
  await node.start(nodePlan(plans));
  await clock.advance(10);
  return { node, clock, serial };
}

/** A holding register, as a unit answers. */
function reply(number: number, value: number): Uint8Array {
  const bytes = Uint8Array.of(number, 3, 2, value >> 8, value & 0xff, 0, 0);
  const crc = crc16Modbus(bytes, 0, 5);
  bytes.set([crc & 0xff, crc >> 8], 5);
  return bytes;
}

const asked = (serial: FakeSerialBus): readonly (number | undefined)[] => serial.written(PATH).map((frame) => frame[0]);

describe("sensors on one bus", () => {
  it("share one opening of its line, and are told of it each", async () => {
    const [one, two] = [unit(1), unit(2)];
    const { serial, node } = await running(one.plan, two.plan);
    expect(serial.openings(PATH)).toEqual([{ baudRate: 9_600 }]);
    expect([one.types(), two.types()]).toEqual([["opened"], ["opened"]]);
    expect(one.events[0]).toMatchObject({ settings: { serial: { baudRate: 9_600 } } });
    expect(node.node.status().buses).toMatchObject({ "rs485-1": { path: PATH, isOpen: true, units: [1, 2] } });
  });

  it("get the answers to their own questions, one after the other", async () => {
    const [one, two] = [unit(1), unit(2)];
    const { serial, clock } = await running(one.plan, two.plan);
    one.ask();
    two.ask();
    await clock.advance(20);
    expect(asked(serial)).toEqual([1]);
    serial.feed(PATH, reply(1, 111));
    await clock.advance(20);
    expect(asked(serial)).toEqual([1, 2]);
    serial.feed(PATH, reply(2, 222));
    await clock.advance(20);
    expect(one.events[1]).toMatchObject({ type: "reply", tag: "q", data: Uint8Array.of(0, 111) });
    expect(two.events[1]).toMatchObject({ type: "reply", tag: "q", data: Uint8Array.of(0, 222) });
  });

  it("never get a late answer, a stranger's or a broken one, and all of them are counted", async () => {
    const [one, two] = [unit(1), unit(2)];
    const { serial, clock, node } = await running(one.plan, two.plan);
    one.ask();
    await clock.advance(TIMEOUT_MS + 50);
    expect(one.events[1]).toMatchObject({ type: "noReply", reason: "timeout" });
    two.ask();
    await clock.advance(5);
    serial.feed(PATH, reply(1, 111));
    serial.feed(PATH, reply(9, 999));
    serial.feed(
      PATH,
      reply(2, 222).map((byte, at) => (at === 4 ? byte ^ 1 : byte)),
    );
    await clock.advance(20);
    expect(two.types()).toEqual(["opened"]);
    serial.feed(PATH, reply(2, 222));
    await clock.advance(20);
    expect(two.events[1]).toMatchObject({ type: "reply", data: Uint8Array.of(0, 222) });
    expect(one.types()).toEqual(["opened", "noReply"]);
    const { counters } = node.node.status().buses["rs485-1"] ?? {};
    expect(counters).toMatchObject({ questions: 2, replies: 1, timeouts: 1, bytes: 28, usedBytes: 7 });
    expect(counters?.discardedBytes).toEqual({ late: 7, "wrong-unit": 7, checksum: 7 });
    expect(node.node.status().sensors["unit-2"]).toMatchObject({ balanced: true, counters: { bytes: 7 } });
  });

  it("hear nothing of a question that was out when the plug was pulled, and start over when it is back", async () => {
    const [one, two] = [unit(1), unit(2)];
    const { serial, clock, node } = await running(one.plan, two.plan);
    one.ask();
    await clock.advance(5);
    serial.unplug(PATH);
    await clock.advance(10);
    expect([one.types(), two.types()]).toEqual([
      ["opened", "closed"],
      ["opened", "closed"],
    ]);
    expect(node.node.status().sensors["unit-2"]).toMatchObject({ state: "fault", trouble: "gone" });
    await clock.advance(3_000);
    serial.plug(PATH);
    await clock.advance(10_000);
    // Each attempt that fails is told, as with a line of one's own.
    const course = (types: readonly string[]) => types.filter((type, at) => type !== types[at - 1]);
    for (const each of [one, two]) expect(course(each.types())).toEqual(["opened", "closed", "opened"]);
    expect(node.node.status().buses["rs485-1"]?.counters).toMatchObject({ questions: 1, abandoned: 1, opened: 2 });
    two.ask();
    await clock.advance(20);
    expect(asked(serial)).toEqual([1, 2]);
  });

  it("are refused a device that a sensor has for itself, and say who has it", async () => {
    const own = sensorPlan({ id: sensorId("air-1"), port: { is: "serial", path: PATH, settings: { baudRate: 9_600 } } });
    const one = unit(1);
    const { node } = await running(own, one.plan);
    expect(node.node.status().sensors["unit-1"]).toMatchObject({ state: "fault", trouble: "busy" });
    expect(node.events.of("SensorClosed")).toMatchObject([{ sensor: "unit-1", detail: expect.stringContaining("sensor air-1") }]);
  });

  it("cannot write past their turn, nor change the line of the others", async () => {
    const answer: Handler = (event, out) => {
      if (event.type !== "opened") return;
      out.write(Uint8Array.of(1, 2, 3));
      out.signal("break", true);
    };
    const { serial, clock } = await running(unit(1, { answer }).plan, unit(2).plan);
    await clock.advance(100);
    expect(serial.written(PATH)).toEqual([]);
    expect(serial.signals(PATH)).toEqual([]);
  });

  it("may come and go: the line is closed with the last one, and a changed line is opened anew", async () => {
    const [one, two] = [unit(1), unit(2)];
    const { node, serial, clock } = await running(one.plan, two.plan);
    const request = (...plans: readonly SensorPlan[]) => ({
      plan: nodePlan(plans),
      identity: { version: "0.1.0", configRev: "c0ffee01", bootId: clock.bootId, outboxHours: 720 },
    });
    const apply = async (...plans: readonly SensorPlan[]) => {
      const outcome = node.node.reload(request(...plans));
      for (let step = 0; step < 100; step++) await clock.advance(100);
      return (await outcome).is;
    };
    expect(await apply(two.plan)).toBe("applied");
    expect(node.node.status().buses["rs485-1"]).toMatchObject({ isOpen: true, units: [2] });
    expect(two.types(), "the one that stays does not notice").toEqual(["opened"]);
    const faster = { settings: { baudRate: 19_200, parity: "even" } } as const;
    const [slow, quick] = [unit(1, faster), unit(2, faster)];
    expect(await apply(slow.plan, quick.plan)).toBe("applied");
    expect(serial.openings(PATH)).toEqual([{ baudRate: 9_600 }, { baudRate: 19_200, parity: "even" }]);
    quick.ask();
    await clock.advance(20);
    serial.feed(PATH, reply(2, 7));
    await clock.advance(20);
    expect(quick.types()).toEqual(["opened", "reply"]);
  });

  it("live by the answers to their questions, also when what they measure stems from people", async () => {
    const answer: Handler = (event, out) => {
      if (event.type === "opened") out.expect(2_000);
      if (event.type === "opened" || event.type === "timer") {
        out.request("q", { registers: REGISTERS }, TIMEOUT_MS);
        out.timer("poll", 1_000);
      }
    };
    const channels = [channelPlan({ quantity: "energy", kind: "counter", sensitivity: "identifying" })];
    const one = unit(1, { answer });
    const { node, serial, clock } = await running({ ...one.plan, channels });
    const stateAfter = async (frame: Uint8Array | null, seconds: number) => {
      for (let step = 0; step < seconds; step++) {
        if (frame !== null) serial.feed(PATH, frame);
        await clock.advance(1_000);
      }
      return node.node.status().sensors["unit-1"]?.trouble;
    };
    expect(await stateAfter(reply(1, 7), 10)).toBeNull();
    // An exception is an answer.
    const refusal = Uint8Array.of(1, 0x83, 2, 0xc0, 0xf1);
    expect(await stateAfter(refusal, 10)).toBeNull();
    expect(await stateAfter(null, 4)).toBe("silent");
  });

  it("show no counts when one of them is of people", async () => {
    const meter = unit(1);
    const channels = [channelPlan({ quantity: "energy", kind: "counter", sensitivity: "identifying" })];
    const { node } = await running({ ...meter.plan, channels }, unit(2).plan);
    expect(node.node.status().buses["rs485-1"]).toMatchObject({ isOpen: true, counters: null });
  });
});

describe("a request on a port that is no bus", () => {
  it("is refused at once, and nothing is written", async () => {
    const one = unit(1);
    const { serial, clock } = await running({ ...one.plan, port: { is: "serial", path: PATH, settings: { baudRate: 9_600 } } });
    one.ask();
    expect(one.types(), "not within the call").toEqual(["opened"]);
    await clock.advance(5);
    expect(one.events[1]).toEqual({ type: "noReply", atMs: expect.any(Number), tag: "q", reason: "exception" });
    expect(serial.written(PATH)).toEqual([]);
  });
});
