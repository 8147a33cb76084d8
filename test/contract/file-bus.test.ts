import { describe, expect, it } from "vitest";
import { FakeFileBus } from "../../src/testing/fake-file-bus.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { fileBusContract, recorder } from "./file-bus.ts";

const PATH = "/sys/bus/w1/devices/28-fake";

/** What is due now comes in the next turn; what is not, never: nothing here waits. */
const soonOrNever = (delayMs: number, task: () => void): (() => void) => {
  if (delayMs === 0) queueMicrotask(task);
  return () => undefined;
};

describe("the fake file bus", () => {
  describe("keeps the contract", () =>
    fileBusContract(async () => {
      const bus = new FakeFileBus({ clock: { after: soonOrNever } });
      bus.put(PATH, {});
      return {
        bus,
        path: PATH,
        missingPath: "/sys/bus/w1/devices/28-missing",
        write: async (name, text) => bus.put(PATH, { [name]: text }),
        pull: async () => bus.pull(PATH),
        dispose: async () => {},
      };
    }));

  it("a read that never ends is a timeout, and the port is busy from then on", async () => {
    const clock = new VirtualClock();
    const bus = new FakeFileBus({ clock });
    bus.put(PATH, { w1_slave: "stuck" });
    const { listener, events } = recorder();
    const port = bus.open(PATH, listener);
    await clock.advance(1);
    port.request("t", { file: "w1_slave" }, 3_000);
    await clock.advance(2_999);
    expect(events.length).toBe(1);
    await clock.advance(1);
    expect(events[1]).toEqual({ type: "noReply", tag: "t", reason: "timeout" });
    port.request("u", { file: "w1_slave" }, 3_000);
    await clock.advance(1);
    expect(events[2]).toEqual({ type: "noReply", tag: "u", reason: "busy" });
  });
});
