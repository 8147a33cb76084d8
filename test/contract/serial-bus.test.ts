import { describe, expect, it } from "vitest";
import { FakeSerialBus } from "../../src/testing/fake-serial-bus.ts";
import { recorder, SETTINGS, serialBusContract } from "./serial-bus.ts";

const PATH = "/dev/serial/by-id/fake";

describe("the fake serial bus", () => {
  describe("keeps the contract", () =>
    serialBusContract(async () => {
      const bus = new FakeSerialBus();
      bus.plug(PATH);
      let seen = 0;
      return {
        bus,
        path: PATH,
        missingPath: "/dev/serial/by-id/missing",
        feed: (data) => void bus.feed(PATH, data),
        received: () => {
          const fresh = bus.written(PATH).slice(seen);
          seen += fresh.length;
          return Buffer.concat(fresh);
        },
        cut: async () => bus.unplug(PATH),
        restore: async () => bus.plug(PATH),
        dispose: async () => {},
      };
    }));

  it("tells nothing before its scheduler says so", () => {
    const tasks: (() => void)[] = [];
    const bus = new FakeSerialBus({ defer: (task) => tasks.push(task) });
    const run = (): void => {
      for (const task of tasks.splice(0)) task();
    };
    bus.plug(PATH);
    const { listener, types, bytes } = recorder();
    bus.open(PATH, SETTINGS, listener);
    expect(types()).toEqual([]);
    run();
    expect(types()).toEqual(["opened"]);
    bus.feed(PATH, Uint8Array.of(5));
    expect(types()).toEqual(["opened"]);
    run();
    expect([...bytes()]).toEqual([5]);
  });

  it("refuses with the fault that it was told to, and loses bytes that nobody listens to", async () => {
    const bus = new FakeSerialBus();
    bus.plug(PATH);
    bus.refuse(PATH, "permission");
    const { listener, events } = recorder();
    bus.open(PATH, SETTINGS, listener);
    await Promise.resolve();
    expect(events).toMatchObject([{ type: "closed", code: "permission" }]);
    expect(bus.feed(PATH, Uint8Array.of(1))).toBe(false);
    bus.refuse(PATH, null);
    bus.open(PATH, SETTINGS, listener);
    await Promise.resolve();
    expect(events.at(-1)).toMatchObject({ type: "opened" });
    expect(bus.openings(PATH)).toEqual([SETTINGS]);
  });

  it("knows a device by every path to it, and remembers control lines", async () => {
    const bus = new FakeSerialBus();
    bus.plug(PATH, { alias: "/dev/ttyUSB0" });
    expect(bus.realPath("/dev/ttyUSB0")).toBe(PATH);
    const { listener } = recorder();
    const port = bus.open("/dev/ttyUSB0", SETTINGS, listener);
    await Promise.resolve();
    port.signal("break", true);
    expect(bus.signals(PATH)).toEqual([{ name: "break", on: true }]);
  });
});
