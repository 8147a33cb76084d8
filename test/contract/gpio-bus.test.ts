import { describe, expect, it } from "vitest";
import { createGpioBus } from "../../src/adapters/gpio/gpio-bus.ts";
import { FakeGpioBus } from "../../src/testing/fake-gpio-bus.ts";
import { makeFakeGpioTools } from "../support/fake-gpio-tools.ts";
import { realClock } from "../support/manual-clock.ts";
import { gpioBusContract, named } from "./gpio-bus.ts";
import { recorder } from "./serial-bus.ts";

const LINES = Array.from({ length: 28 }, (_, offset) => offset);

describe("the fake GPIO bus", () => {
  describe("keeps the contract", () =>
    gpioBusContract(async () => {
      const keysOf = (offset: number): string[] => [`GPIO${offset}`, `chip:${offset}`];
      const keys = LINES.flatMap(keysOf);
      const bus = new FakeGpioBus(Object.fromEntries(keys.map((key) => [key, false])));
      return {
        bus,
        chip: "chip",
        move: (offset, high) => {
          for (const key of keysOf(offset)) bus.set(key, high);
        },
        vanish: () => {
          for (const key of keys) bus.remove(key);
        },
        restore: () => {
          for (const key of keys) bus.add(key, false);
        },
        dispose: async () => {},
      };
    }));

  it("refuses and loses as it was told to, in the turn that its scheduler chooses", () => {
    const tasks: (() => void)[] = [];
    const run = (): void => {
      for (const task of tasks.splice(0)) task();
    };
    const bus = new FakeGpioBus({ GPIO1: true }, { defer: (task) => tasks.push(task) });
    bus.refuse("permission");
    const { listener, events } = recorder();
    bus.watch({ a: named("GPIO1") }, listener);
    run();
    expect(events).toMatchObject([{ type: "closed", code: "permission" }]);
    bus.refuse(null);
    bus.watch({ a: named("GPIO1") }, listener);
    expect(events).toHaveLength(1);
    run();
    bus.lose("GPIO1", 3);
    bus.set("GPIO1", true);
    bus.set("GPIO1", false, 99n);
    run();
    expect(events.slice(1)).toEqual([
      { type: "opened", settings: { lines: { a: { high: true } } } },
      { type: "lost", what: "edges", count: 3 },
      { type: "edge", line: "a", rising: false, atNs: 99n },
    ]);
  });
});

describe.each([1, 2] as const)("the GPIO bus over the tools of libgpiod %i", (major) => {
  describe("keeps the contract", () =>
    gpioBusContract(async () => {
      const tools = makeFakeGpioTools(major);
      const bus = createGpioBus({ clock: realClock(), path: tools.path, sysfsRoot: "/nonexistent" });
      return { ...tools, bus };
    }));
});
