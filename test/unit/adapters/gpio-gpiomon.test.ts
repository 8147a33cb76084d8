import { describe, expect, it } from "vitest";
import { gpioFault } from "../../../src/adapters/gpio/gpio-fault.ts";
import { groupLines } from "../../../src/adapters/gpio/gpiomon-backend.ts";
import { type LineGroup, parseChips, parseLevels, parseMajorVersion, parsePlaces } from "../../../src/adapters/gpio/gpiomon-dialect.ts";
import { gpiomon1 } from "../../../src/adapters/gpio/gpiomon-v1.ts";
import { gpiomon2 } from "../../../src/adapters/gpio/gpiomon-v2.ts";

const group = (edge: LineGroup["edge"], pull: LineGroup["pull"]): LineGroup => ({ chip: "gpiochip0", edge, pull, offsets: [17, 27] });
const words = (command: readonly string[]): string => command.join(" ");

describe("the tools of libgpiod 1", () => {
  it.each([
    ["rising", "up", "gpiomon -b -r -B pull-up -F %o %e %s %n gpiochip0 17 27"],
    ["falling", "down", "gpiomon -b -f -B pull-down -F %o %e %s %n gpiochip0 17 27"],
    ["both", "none", "gpiomon -b -B disable -F %o %e %s %n gpiochip0 17 27"],
  ] as const)("are asked to watch %s edges, pulled %s", (edge, pull, command) => {
    expect(words(gpiomon1.watch(group(edge, pull)))).toBe(command);
  });

  it("are asked for levels with the same pull, and for names", () => {
    expect(words(gpiomon1.read(group("both", "up")))).toBe("gpioget -B pull-up gpiochip0 17 27");
    expect(words(gpiomon1.find("GPIO17"))).toBe("gpiofind -- GPIO17");
  });

  it("print nanoseconds without leading zeros", () => {
    expect(gpiomon1.parseEdge("17 1 12 345")).toEqual({ offset: 17, rising: true, atNs: 12_000_000_345n });
    expect(gpiomon1.parseEdge("3 0 0 999999999")).toEqual({ offset: 3, rising: false, atNs: 999_999_999n });
  });

  it.each(["", "17 2 12 345", "17 1 12", "17 1 12.345", "event: RISING EDGE offset: 17 timestamp: [  12.000000345]", "17 1 12 1234567890"])(
    "print no edge in %j",
    (line) => expect(gpiomon1.parseEdge(line)).toBeNull(),
  );
});

describe("the tools of libgpiod 2", () => {
  it.each([
    ["rising", "up", "-e rising -b pull-up"],
    ["falling", "down", "-e falling -b pull-down"],
    ["both", "none", "-e both -b disabled"],
  ] as const)("are asked to watch %s edges, pulled %s", (edge, pull, options) => {
    expect(words(gpiomon2.watch(group(edge, pull)))).toBe(
      `gpiomon --banner -C stoep -c gpiochip0 ${options} -E monotonic -F %o %e %S 17 27`,
    );
  });

  it("are asked for levels with the same pull, and for names", () => {
    expect(words(gpiomon2.read(group("both", "none")))).toBe("gpioget --numeric -C stoep -c gpiochip0 -b disabled 17 27");
    expect(words(gpiomon2.find("GPIO17"))).toBe("gpioinfo --strict --unquoted -- GPIO17");
  });

  it("print 1 for rising and 2 for falling, and nine decimals", () => {
    expect(gpiomon2.parseEdge("17 1 12.000000345")).toEqual({ offset: 17, rising: true, atNs: 12_000_000_345n });
    expect(gpiomon2.parseEdge("3 2 86400.999999999")).toEqual({ offset: 3, rising: false, atNs: 86_400_999_999_999n });
  });

  it.each(["", "Monitoring line '17'...", "17 0 12.000000345", "17 1 12 345", "17 1 12.345"])("print no edge in %j", (line) =>
    expect(gpiomon2.parseEdge(line)).toBeNull(),
  );
});

describe("what both versions print", () => {
  it("tells the version", () => {
    expect(parseMajorVersion("gpiomon (libgpiod) v1.6.3\nCopyright")).toBe(1);
    expect(parseMajorVersion("gpiomon (libgpiod) v2.2.1\n")).toBe(2);
    expect(parseMajorVersion("something else v2.2.1")).toBeNull();
  });

  it("lists chips with their labels", () => {
    expect(parseChips("gpiochip0 [pinctrl-bcm2711] (58 lines)\ngpiochip1 [raspberrypi-exp-gpio] (8 lines)\n")).toEqual([
      { name: "gpiochip0", label: "pinctrl-bcm2711" },
      { name: "gpiochip1", label: "raspberrypi-exp-gpio" },
    ]);
    expect(parseChips("gpiodetect: unable to access GPIO chips: Permission denied\n")).toEqual([]);
  });

  it("says where lines are", () => {
    expect(parsePlaces("gpiochip0 17\n")).toEqual([{ chip: "gpiochip0", offset: 17 }]);
    expect(parsePlaces('gpiochip0 17\tGPIO17          \tinput consumer="x"\ngpiochip4 17\tGPIO17          \tinput\n')).toHaveLength(2);
    expect(parsePlaces("gpiochip0 - 58 lines:\n")).toEqual([]);
  });

  it("gives a level for each line, or nothing that is understood", () => {
    expect(parseLevels("1 0\n", 2)).toEqual([true, false]);
    expect(parseLevels("1 0\n", 3)).toBeNull();
    expect(parseLevels('"GPIO17"=active\n', 1)).toBeNull();
  });
});

describe("lines of one sensor", () => {
  it("share a process when chip, edge and pull are the same", () => {
    const line = (edge: LineGroup["edge"], pull: LineGroup["pull"], debounceMs = 0) =>
      ({ line: { name: "-" }, edge, pull, debounceMs }) as const;
    const lines = { a: line("both", "up"), b: line("falling", "up", 5), c: line("rising", "up"), d: line("both", "none") };
    const places = new Map([...Object.keys(lines)].map((name, offset) => [name, { chip: "gpiochip0", offset }]));
    expect(groupLines(lines, places)).toEqual([
      { chip: "gpiochip0", edge: "both", pull: "up", offsets: [0, 1], names: ["a", "b"] },
      { chip: "gpiochip0", edge: "rising", pull: "up", offsets: [2], names: ["c"] },
      { chip: "gpiochip0", edge: "both", pull: "none", offsets: [3], names: ["d"] },
    ]);
    places.set("b", { chip: "gpiochip4", offset: 1 });
    expect(groupLines(lines, places)).toHaveLength(4);
  });
});

describe("a complaint", () => {
  // Of libgpiod 1.6.3 and 2.2, and of Node about sysfs.
  it.each([
    ["gpiomon: error waiting for events: Device or resource busy", "busy"],
    ["gpiomon: unable to request lines on chip /dev/gpiochip0: Device or resource busy", "busy"],
    ["EBUSY: resource busy or locked, write", "busy"],
    ["gpiodetect: unable to access GPIO chips: Permission denied", "permission"],
    ["EACCES: permission denied, open '/sys/class/gpio/export'", "permission"],
    ["gpiomon: error waiting for events: No such file or directory", "gone"],
    ["gpiomon: cannot find GPIO chip character device 'gpiochip0'", "gone"],
    ["gpiomon: error reading line events: No such device", "gone"],
    ["gpiomon: offset 99 is out of range on chip 'gpiochip0'", "settings"],
    ["gpiomon: error waiting for events: Invalid argument", "settings"],
    ["gpiomon ended by itself (exit 0)", "io"],
  ])("%s is %s", (detail, code) => {
    expect(gpioFault(detail)).toMatchObject({ type: "closed", code, detail, remedy: expect.stringMatching(/./) });
  });

  it("about permission names the group that may use GPIO", () => {
    expect(gpioFault("Permission denied").remedy).toContain("gpio");
  });
});
