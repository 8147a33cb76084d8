import { describe, expect, it } from "vitest";
import { driverApi } from "../../../src/driver-api/api.ts";
import type { BusEvent, ChannelSpec, Driver, Session, SessionSink } from "../../../src/driver-api/driver.ts";
import { checkDriver, type Evidence, type Finding } from "../../../src/testing/driver-check.ts";

const { z } = driverApi;
const LINE_BYTES_MAX = 64;
const PM25: ChannelSpec = {
  name: "pm25",
  quantity: "pm25",
  unit: "ug/m3",
  range: [0, 1000],
  resolution: 0.1,
  sensitivity: "environmental",
};
const PASSAGES: ChannelSpec = {
  name: "passages",
  quantity: "passages",
  unit: "1",
  range: [0, 1],
  resolution: 1,
  sensitivity: "presence",
  maxPerPassage: 1,
};

/** A sound driver of lines such as `pm 12.5`; the bad ones below differ from it in one thing. */
function soundSession(): Session {
  const framer = driverApi.delimiterFramer({ frameBytesMax: LINE_BYTES_MAX });
  return {
    handle(event, out) {
      const sink = {
        frame: (bytes: Uint8Array, start: number, length: number) => {
          const text = String.fromCharCode(...bytes.subarray(start, start + length));
          const value = /^pm (\d+\.\d)$/.exec(text)?.[1];
          if (value === undefined) out.discard("syntax", length + 1);
          else out.reading("pm25", Number(value));
        },
        discard: out.discard.bind(out),
      };
      if (event.type === "bytes") framer.push(event.data, sink);
      else if (event.type === "closed") framer.reset(sink);
    },
  };
}

const SOUND: Driver = {
  apiVersion: 1,
  name: "sound",
  summary: "A driver without a fault",
  port: "serial",
  serial: { baudRate: 9600 },
  unchecked: "Lines have no checksum.",
  options: z.strictObject({}),
  channels: () => [PM25],
  start: soundSession,
};

const HEADER = "# stoep-golden 1\n";
const GOLDEN = {
  name: "two-lines.txt",
  text: `${HEADER}+0ms open
+1s < "pm 12.5\\npm 3.0\\n"
> reading pm25 12.5
> reading pm25 3
+1s < "what?\\npm 7.5\\n"
> discard syntax 6
> reading pm25 7.5
`,
};
const EVIDENCE: Evidence = { golden: [GOLDEN], captures: [], foreignCaptures: [], seed: 1, randomInputs: 2_000, memoryBytes: 0 };
const WITH_MEMORY = { memoryBytes: 1_000_000 };

/** A driver whose session does something before or instead of what the sound one does. */
function spoilt(handle: (event: BusEvent, out: SessionSink, sound: Session) => void, change: Partial<Driver> = {}): Driver {
  return {
    ...SOUND,
    start: () => {
      const sound = soundSession();
      return { handle: (event, out) => handle(event, out, sound) };
    },
    ...change,
  };
}

const checksOf = (findings: readonly Finding[]): string[] => [...new Set(findings.map(({ check }) => check))];
const check = (driver: Driver, evidence: Partial<Evidence> = {}): readonly Finding[] => checkDriver(driver, { ...EVIDENCE, ...evidence });

describe("checkDriver", () => {
  it("finds nothing in a sound driver", () => {
    expect(check(SOUND, { foreignCaptures: [{ name: "other.txt", text: `${HEADER}+0ms < "other 1\\n"\n` }], ...WITH_MEMORY })).toEqual([]);
  });

  it("finds the same with the same seed", () => {
    const noisy = spoilt((event, out, sound) => {
      if (event.type === "bytes" && event.data[0] === 0x41) throw new Error("A");
      sound.handle(event, out);
    });
    expect(check(noisy)).toEqual(check(noisy));
    expect(check(noisy).length).toBeGreaterThan(0);
  });

  it("says in which line an answer differs, and how", () => {
    const golden = { ...GOLDEN, text: GOLDEN.text.replace("> reading pm25 3\n", "> reading pm25 4\n") };
    expect(check(SOUND, { golden: [golden] })).toEqual([
      { check: "golden", where: "two-lines.txt:3", message: 'whole: expected "reading pm25 4", got "reading pm25 3"' },
    ]);
  });

  it("reports a golden file that cannot be read, and options that the driver refuses", () => {
    const broken = { name: "broken.txt", text: `${HEADER}+1 open\n` };
    const refused = { name: "refused.txt", text: `${HEADER}# options {"no":1}\n+0ms open\n` };
    expect(check(SOUND, { golden: [GOLDEN, broken, refused] }).map(({ where }) => where)).toEqual(["broken.txt:2:2", "refused.txt"]);
  });

  it("catches a driver that throws on a frame that was cut short", () => {
    const bad = spoilt((event, out, sound) => {
      if (event.type === "bytes" && event.data.at(-1) !== 0x0a) throw new RangeError("no line end");
      sound.handle(event, out);
    });
    expect(check(bad)).toContainEqual({
      check: "golden",
      where: "two-lines.txt:3",
      message: "byte by byte: threw RangeError: no line end",
    });
    expect(checksOf(check(bad, WITH_MEMORY))).toEqual(expect.arrayContaining(["noise", "random", "memory"]));
  });

  it("catches a driver that throws on rare input only, and says which", () => {
    const bad = spoilt((event, out, sound) => {
      if (event.type === "reply") throw new Error("never asked");
      sound.handle(event, out);
    });
    const findings = check(bad);
    expect(checksOf(findings)).toEqual(["unknown-event", "random"]);
    expect(findings.at(-1)?.message).toMatch(/^threw Error: never asked, after \+\S+ reply/);
  });

  it("catches a driver that keeps every byte", () => {
    const kept: number[] = [];
    const bad = spoilt((event, out, sound) => {
      if (event.type === "bytes") for (const byte of event.data) kept.push(byte);
      sound.handle(event, out);
    });
    expect(checksOf(check(bad, WITH_MEMORY))).toEqual(["memory"]);
  });

  it("catches a driver that collects a line without an end", () => {
    let line = "";
    const bad = spoilt((event, out) => {
      if (event.type !== "bytes") return;
      for (const byte of event.data) {
        line += String.fromCharCode(byte);
        if (byte !== 0x0a) continue;
        const value = /^pm (\d+\.\d)\n$/.exec(line)?.[1];
        if (value === undefined) out.discard("syntax", line.length);
        else out.reading("pm25", Number(value));
        line = "";
      }
    });
    expect(check(bad, WITH_MEMORY).filter(({ check: name }) => name === "memory")).toContainEqual(
      expect.objectContaining({ where: "a line without an end", message: expect.stringContaining("bytes more after") }),
    );
  });

  it("catches a driver that keeps the buffer that it was lent", () => {
    let held: Uint8Array = new Uint8Array();
    const bad = spoilt((event, out) => {
      if (event.type !== "bytes") return;
      const text = String.fromCharCode(...held, ...event.data);
      const end = text.lastIndexOf("\n") + 1;
      for (const line of text.slice(0, end).split("\n").slice(0, -1)) {
        if (/^pm \d+\.\d$/.test(line)) out.reading("pm25", Number(line.slice(3)));
        else out.discard("syntax", line.length + 1);
      }
      held = end === 0 && held.length > 0 ? new Uint8Array() : event.data.subarray(event.data.length - (text.length - end));
    });
    expect(checksOf(check(bad))).toContain("golden");
  });

  it("catches a driver that answers to noise", () => {
    const bad = spoilt((event, out, sound) => {
      if (event.type === "bytes" && event.data.includes(0x99)) out.reading("pm25", 1);
      sound.handle(event, out);
    });
    expect(checksOf(check(bad))).toEqual(["noise"]);
  });

  it("catches a driver that never finds its way back after garbage", () => {
    let isLost = false;
    const bad = spoilt((event, out, sound) => {
      if (event.type === "opened") isLost = false;
      if (event.type === "bytes" && event.data.some((byte) => byte > 0x7f)) isLost = true;
      if (!isLost) sound.handle(event, out);
    });
    const golden = { name: "one-opening.txt", text: `${HEADER}${'+1s < "pm 12.5\\n"\n> reading pm25 12.5\n'.repeat(30)}` };
    expect(check(bad, { golden: [golden] })).toEqual([
      expect.objectContaining({ check: "noise", where: "one-opening.txt", message: expect.stringMatching(/^lost \d+ of 30 answers/) }),
    ]);
  });

  it("catches a driver that counts one object twice, whatever its golden file says", () => {
    const passes = (times: number): Driver =>
      spoilt(
        (event, out) => {
          if (event.type !== "bytes") return;
          for (const byte of event.data) if (byte === 0x70) for (let count = 0; count < times; count++) out.passage("passages", {});
        },
        { channels: () => [PASSAGES], port: "file" },
      );
    const golden = (times: number) => ({
      name: "one-object-one-passage.txt",
      text: `${HEADER}+0ms < "p"\n${"> passage passages\n".repeat(times)}`,
    });
    expect(checksOf(check(passes(1), { golden: [golden(1)] }))).toEqual([]);
    expect(checksOf(check(passes(2), { golden: [golden(1)] }))).toEqual(["golden"]);
    expect(check(passes(2), { golden: [golden(2)] })).toEqual([
      { check: "passage", where: "one-object-one-passage.txt", message: "one object caused 2 passages; declared are 1 to 1" },
    ]);
    expect(checksOf(check(passes(1), { golden: [{ ...golden(1), name: "a-car.txt" }] }))).toEqual(["passage"]);
  });

  it("catches a driver that answers to a timer that it never set", () => {
    const bad = spoilt((event, out, sound) => {
      if (event.type === "timer") out.reading("pm25", 0);
      sound.handle(event, out);
    });
    expect(checksOf(check(bad))).toEqual(["unknown-event"]);
  });

  it("catches a driver that understands another one's device, unless it is generic", () => {
    const foreignCaptures = [{ name: "other/street.txt", text: `${HEADER}+0ms open\n+1s < "pm 1.0\\n"\n` }];
    expect(check(SOUND, { foreignCaptures })).toEqual([
      { check: "foreign", where: "other/street.txt", message: 'answered 1 times, first "reading pm25 1"' },
    ]);
    expect(check({ ...SOUND, generic: true }, { foreignCaptures })).toEqual([]);
  });

  it.each<[string, ChannelSpec, string]>([
    ["resolution 0", { ...PM25, resolution: 0 }, "resolution 0 is no step"],
    ["an upside-down range", { ...PM25, range: [1, 0] }, "range 1,0 is not"],
    ["a unit that the quantity does not have", { ...PM25, unit: "mg/m3" }, "pm25 is in ug/m3"],
    ["maxPerPassage on a gauge", { ...PM25, maxPerPassage: 1 }, "only passage channels"],
  ])("catches a channel with %s", (_, channel, message) => {
    const findings = check({ ...SOUND, channels: () => [channel] });
    expect(findings).toEqual([{ check: "declaration", where: "channel pm25", message: expect.stringContaining(message) }]);
  });

  it("catches a channel that no golden file shows, a bad id, and two of the same name", () => {
    const channels = [PM25, PM25, { ...PM25, name: "PM 10" }];
    expect(check({ ...SOUND, channels: () => channels }).map(({ message }) => message)).toEqual([
      "is declared twice",
      expect.stringContaining("is no id"),
      "appears in no golden file",
    ]);
  });

  it("catches a rhythm of people: nothing that they do shows life", () => {
    const text = GOLDEN.text.replaceAll(/^> reading pm25 .*$/gm, "> passage passages").replace("+0ms open", "+0ms open\n> expect 5s");
    const gate = (about: boolean): Driver => ({
      ...spoilt((event, out, sound) => {
        if (event.type === "opened") out.expect(5_000);
        if (event.type === "timer" && about) out.about({});
        sound.handle(event, { ...out, reading: () => out.passage("passages", {}) });
      }),
      channels: () => [PASSAGES],
    });
    const life = (driver: Driver, more = "") =>
      check(driver, { golden: [{ name: "gate.txt", text: text + more }] }).filter(({ where }) => where === "expect");
    expect(life(gate(false))).toEqual([{ check: "declaration", where: "expect", message: expect.stringContaining("out.about") }]);
    expect(life(gate(true), "+1s timer ask\n> about\n")).toEqual([]);
  });

  it("catches a passage channel that does not say how often one object counts", () => {
    const { maxPerPassage: _, ...channel } = PASSAGES;
    expect(check({ ...SOUND, channels: () => [PM25, channel] }).map(({ message }) => message)).toContain(
      "a passage channel declares maxPerPassage, a whole number from 1",
    );
  });

  it("catches an option without a description, at any depth", () => {
    const options = z.strictObject({
      a: z.number().default(1),
      b: z
        .record(z.string(), z.strictObject({ c: z.number() }))
        .default({})
        .describe("b"),
    });
    expect(check({ ...SOUND, options }).map(({ message }) => message)).toEqual([
      "a has no description (.describe)",
      "b.*.c has no description (.describe)",
    ]);
  });

  it.each<[string, (out: SessionSink) => void, string]>([
    ["a channel that is not declared", (out) => out.reading("pm10", 1), 'channel "pm10" is not declared'],
    ["a value that is no number", (out) => out.reading("pm25", Number.NaN), "pm25 is NaN"],
    ["a running total of a gauge", (out) => out.total("pm25", 1), "pm25 is a gauge, not a counter"],
    ["a passage on a gauge", (out) => out.passage("pm25", {}), "pm25 is a gauge, not passages"],
    ["an identifier on a gauge", (out) => out.identity("pm25", Uint8Array.of(1)), "pm25 is a gauge, not identifiers"],
    ["a discard of nothing", (out) => out.discard("noise", 0), "discards 0 bytes"],
    ["a rhythm that cannot be", (out) => out.expect(-1), "expects something within -1 ms"],
    ["a timer in the past", (out) => out.timer("ask", -5), "sets a timer to -5 ms"],
  ])("catches %s, even in random input", (_, misbehave, message) => {
    const bad = spoilt((event, out, sound) => {
      if (event.type === "edge" && event.line === "line") misbehave(out);
      sound.handle(event, out);
    });
    expect(check(bad)).toEqual([expect.objectContaining({ check: "random", message: expect.stringContaining(message) })]);
  });
});

describe("checkDriver, of drivers that ask", () => {
  const asking = (body: string) => ({
    name: "asks.txt",
    text: `${HEADER}+0ms open\n> request q timeout=1s ${body}\n+1s reply q 00 07\n> reading pm25 0.7\n`,
  });
  const kept: Uint8Array[] = [];
  const unit = (leaks: boolean): Driver => ({
    ...SOUND,
    port: "modbus",
    start: () => ({
      handle(event, out) {
        if (event.type === "opened") out.request("q", { registers: { table: "holding", address: 0, count: 1 } }, 1_000);
        else if (event.type === "reply" && event.tag === "q") {
          if (leaks) kept.push(event.data.slice());
          out.reading("pm25", (event.data[1] ?? 0) / 10);
        }
      },
    }),
  });
  const REGISTERS = "registers=holding:0:1";

  it("finds nothing where they ask a bus", () => {
    expect(check(unit(false), { golden: [asking(REGISTERS)], ...WITH_MEMORY })).toEqual([]);
  });

  it("finds one that asks a port which takes no requests", () => {
    expect(check({ ...unit(false), port: "serial" }, { golden: [asking(REGISTERS)] })).toContainEqual({
      check: "declaration",
      where: "asks.txt",
      message: "asks with request; a port of kind serial takes no requests: use write, bytes and a timer",
    });
  });

  it("finds one that keeps what it is told", () => {
    expect(checksOf(check(unit(true), { golden: [asking(REGISTERS)], ...WITH_MEMORY }))).toEqual(["memory"]);
    kept.length = 0;
  });
});

describe("lines with faults", () => {
  /** Frames such as `AA 05 AF`: a value and the sum; `isChecked: false` believes every one. */
  const framed = (isChecked: boolean, change: Partial<Driver> = {}): Driver => {
    const { unchecked: _, ...checked } = SOUND;
    return {
      ...checked,
      ...change,
      start: () => {
        const isSound = (bytes: Uint8Array, start: number, end: number): boolean =>
          !isChecked || driverApi.crc16Modbus(bytes, start, end - 2) === ((bytes[end - 2] as number) | ((bytes[end - 1] as number) << 8));
        const framer = driverApi.headerFramer({ header: [0xaa, 0x55], prefixBytes: 2, frameBytes: () => 6, frameBytesMax: 6, isSound });
        return {
          handle(event, out) {
            const sink = {
              frame: (bytes: Uint8Array, start: number) =>
                out.reading("pm25", (bytes[start + 2] as number) + (bytes[start + 3] as number) / 10),
              discard: out.discard.bind(out),
            };
            if (event.type === "bytes") framer.push(event.data, sink);
            else if (event.type === "closed") framer.reset(sink);
          },
        };
      },
    };
  };
  const frames = (): string => {
    const lines = Array.from({ length: 40 }, (_, value) => {
      const bytes = Uint8Array.of(0xaa, 0x55, value, value % 10, 0, 0);
      const crc = driverApi.crc16Modbus(bytes, 0, 4);
      bytes.set([crc & 0xff, crc >> 8], 4);
      return `+1s < ${Buffer.from(bytes).toString("hex")}\n> reading pm25 ${(value + (value % 10) / 10).toString()}\n`;
    });
    return `${HEADER}+0ms open\n${lines.join("")}`;
  };
  const evidence = { golden: [{ name: "frames.txt", text: frames() }] };
  const lineFindings = (driver: Driver, more: Partial<Evidence> = evidence): string[] =>
    check(driver, more).flatMap(({ check: kind, message }) => (kind === "line" ? [message] : []));

  it("finds nothing in a driver that checks its frames", () => {
    expect(check(framed(true), evidence)).toEqual([]);
  });

  it("catches one that believes every frame, and lets it say so", () => {
    expect(lineFindings(framed(false)).join()).toMatch(/^said \d+ wrong values among \d+, such as pm25 \S+ \(frames.txt/);
    expect(lineFindings(framed(false, { unchecked: "Frames have no checksum." }))).toEqual([]);
  });

  it("catches one whose lines have no checksum and that does not say so", () => {
    const { unchecked: _, ...silent } = SOUND;
    expect(lineFindings(silent, {}).join()).toContain("say so as unchecked");
  });

  it("catches one that gives up after a time at a wrong rate", () => {
    let noise = 0;
    const bad = spoilt((event, out, sound) => {
      if (event.type === "bytes" && event.data.some((byte) => byte > 0x7f)) noise++;
      if (noise < 5 || event.type === "closed") sound.handle(event, out);
      else if (event.type === "bytes" && event.data.length > 0) out.discard("noise", event.data.length);
    });
    const start = (): Session => {
      noise = 0;
      return bad.start({});
    };
    expect(lineFindings({ ...bad, start }, {}).join()).toMatch(/lost \d+ of \d+ answers after it \(heard at \d+ baud\)/);
  });

  it("catches one that skips bytes in silence", () => {
    const bad = spoilt((event, out, sound) => {
      const isText = event.type !== "bytes" || event.data.every((byte) => byte === 0x0a || (byte >= 0x20 && byte < 0x7f));
      if (isText) sound.handle(event, out);
    });
    expect(lineFindings(bad, {}).join()).toMatch(/bytes are neither used nor discarded \(heard at/);
  });

  it("catches one that discards more than came", () => {
    const bad = spoilt((event, out, sound) => {
      sound.handle(event, out);
      if (event.type === "closed") out.discard("stale", 1_000_000);
    });
    expect(lineFindings(bad, {}).join()).toContain("more than came");
  });

  it("catches one that throws when it is unplugged in mid-frame, and one that a reboot silences", () => {
    let isHalf = false;
    const thrower = spoilt((event, out, sound) => {
      if (event.type === "bytes") isHalf = event.data.length > 0 && event.data.at(-1) !== 0x0a;
      if (event.type === "closed" && isHalf) throw new Error("half a line");
      sound.handle(event, out);
    });
    expect(lineFindings(thrower, {}).join()).toMatch(/threw Error: half a line/);
    const silenced = (): Driver => {
      let isOff = false;
      return {
        ...spoilt((event, out, sound) => {
          if (event.type === "bytes" && Buffer.from(event.data).includes("Boot")) isOff = true;
          if (!isOff) sound.handle(event, out);
          else if (event.type === "bytes" && event.data.length > 0) out.discard("noise", event.data.length);
        }),
      };
    };
    expect(lineFindings(silenced(), {}).join()).toMatch(/lost \d+ of \d+ answers/);
  });
});
