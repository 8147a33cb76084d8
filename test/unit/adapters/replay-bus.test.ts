import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  CAPTURE_BYTES_MAX,
  type CaptureResult,
  createReplayBus,
  REPEAT_GAP_MS,
  readCaptureFile,
} from "../../../src/adapters/replay-bus.ts";
import { monotonicMs } from "../../../src/core/units/time.ts";
import type { BusEvent } from "../../../src/driver-api/driver.ts";
import type { PortEvent } from "../../../src/ports/field-port.ts";
import { manualClock } from "../../support/manual-clock.ts";

const at = (ms: number) => monotonicMs(ms);
const bytes = (ms: number, value: number): BusEvent => ({ type: "bytes", atMs: at(ms), data: Uint8Array.of(value) });
const edge = (ms: number, rising: boolean): BusEvent => ({ type: "edge", atMs: at(ms), line: "a", rising, atNs: 0n });
const opened = (ms: number): BusEvent => ({ type: "opened", atMs: at(ms), settings: { serial: { baudRate: 9_600 } } });
const capture = (...events: BusEvent[]): CaptureResult => ({ ok: true, file: { steps: events.map((event) => ({ event })) } });

const START_MS = 5_000;

function playing(result: CaptureResult, { speed = 1, repeat = false, readText = async () => "text" } = {}) {
  const clock = manualClock(START_MS);
  const heard: { readonly ms: number; readonly event: PortEvent }[] = [];
  const bus = createReplayBus({ clock, readText, parseCapture: () => result });
  const port = bus.open({ file: "/captures/a.txt", speed, repeat }, (event) => heard.push({ ms: clock.monotonicMs() - START_MS, event }));
  const told = () => heard.map(({ ms, event }) => `${ms} ${event.type === "bytes" ? event.data.join() : event.type}`);
  return { clock, port, heard, told, events: () => heard.map(({ event }) => event) };
}

describe("a replayed capture", () => {
  it("opens with the settings of the capture, plays in its rhythm, and ends with `closed`", async () => {
    const { clock, told, heard, events } = playing(capture(opened(0), bytes(120, 1), bytes(120, 2), bytes(1_000, 3)));
    expect(heard).toEqual([]);
    await clock.advanceSettling(2_000);
    expect(told()).toEqual(["0 opened", "120 1", "120 2", "1000 3", "1000 closed"]);
    expect(events()[0]).toEqual({ type: "opened", settings: { serial: { baudRate: 9_600 } } });
    expect(events().at(-1)).toMatchObject({ code: "ended", remedy: expect.stringContaining("repeat") });
    expect(clock.waiting).toBe(0);
  });

  it("plays faster and slower", async () => {
    const fast = playing(capture(bytes(100, 1), bytes(1_000, 2)), { speed: 10 });
    const slow = playing(capture(bytes(100, 1)), { speed: 0.5 });
    await fast.clock.advanceSettling(10_000);
    await slow.clock.advanceSettling(10_000);
    expect(fast.told()).toEqual(["0 opened", "10 1", "100 2", "100 closed"]);
    expect(slow.told()).toEqual(["0 opened", "200 1", "200 closed"]);
  });

  it("that has no length repeats after the gap all the same, also at the highest speed", async () => {
    const { clock, told, port } = playing(capture(bytes(0, 1)), { repeat: true, speed: 10_000 });
    await clock.advanceSettling(0);
    expect(told()).toEqual(["0 opened", "0 1"]);
    clock.advance(100);
    expect(told().length - 1).toBeLessThanOrEqual((100 * 10_000) / REPEAT_GAP_MS + 1);
    port.close();
    expect(clock.waiting).toBe(0);
  });

  it("repeats after a gap, and does not drift", async () => {
    const { clock, told, port } = playing(capture(bytes(0, 1), bytes(333, 2)), { repeat: true, speed: 3 });
    await clock.advanceSettling(0);
    clock.advance(1_000_000);
    const periodMs = (333 + REPEAT_GAP_MS) / 3;
    const lastRound = Math.floor(1_000_000 / periodMs);
    expect(
      Number(
        told()
          .filter((text) => text.endsWith(" 1"))
          .at(-1)
          ?.split(" ")[0],
      ),
    ).toBeCloseTo(lastRound * periodMs, 6);
    expect(told()).not.toContain("closed");
    port.close();
    expect(clock.waiting).toBe(0);
  });

  it("catches up after a late timer instead of shifting everything", async () => {
    const { clock, told } = playing(capture(bytes(100, 1), bytes(200, 2), bytes(300, 3)));
    await clock.advanceSettling(0);
    // The machine was busy: nothing ran for 250 ms.
    clock.after(50, () => clock.stall(250));
    clock.advance(1_000);
    expect(told()).toEqual(["0 opened", "300 1", "300 2", "300 3", "300 closed"]);
  });

  it("stamps edges with the time at which they were due", async () => {
    const { clock, events } = playing(capture(edge(100, true), edge(100.25, false)), { speed: 2 });
    await clock.advanceSettling(1_000);
    expect(events().slice(1, 3)).toEqual([
      { type: "edge", line: "a", rising: true, atNs: 5_050_000_000n },
      { type: "edge", line: "a", rising: false, atNs: 5_050_125_000n },
    ]);
  });

  it("takes a closing within the capture for a pause, and leaves timers to the session", async () => {
    const middle: BusEvent[] = [{ type: "closed", atMs: at(20), reason: "gone" }, { type: "timer", atMs: at(25), name: "t" }, opened(30)];
    const { clock, told } = playing(capture(opened(0), bytes(10, 1), ...middle, bytes(40, 2)));
    await clock.advanceSettling(100);
    expect(told()).toEqual(["0 opened", "10 1", "40 2", "40 closed"]);
  });

  it("leaves room for others while it plays many events at once", async () => {
    const { clock, told } = playing(capture(...Array.from({ length: 1_200 }, () => bytes(0, 7))));
    await clock.breathe();
    expect(told().length).toBeLessThan(1_200);
    expect(clock.waiting).toBe(1);
    clock.advance(0);
    expect(told()).toHaveLength(1_202);
  });

  it("tells nothing after `close`, even while it reads the file", async () => {
    const reading = playing(capture(bytes(0, 1)));
    reading.port.close();
    await reading.clock.advanceSettling(100);
    expect(reading.heard).toEqual([]);
    const running = playing(capture(bytes(0, 1), bytes(50, 2)));
    await running.clock.advanceSettling(10);
    running.port.close();
    running.port.close();
    running.clock.advance(100);
    expect(running.told()).toEqual(["0 opened", "0 1"]);
  });

  it.each([
    [
      "a capture that is wrong",
      { ok: false, problems: [{ line: 3, column: 7, message: "no hex" }] },
      "settings",
      "/captures/a.txt:3:7 no hex",
    ],
    ["a capture without events", capture(opened(0)), "settings", "nothing to play"],
  ] as const)("refuses %s", async (_name, result, code, detail) => {
    const { clock, events } = playing(result);
    await clock.advanceSettling(0);
    expect(events()).toMatchObject([{ type: "closed", code, detail: expect.stringContaining(detail) }]);
  });

  it("gives the answers to requests as they were recorded", async () => {
    const reply: BusEvent = { type: "reply", atMs: at(20), tag: "q", data: Uint8Array.of(2, 0x25) };
    const { clock, events } = playing(capture(opened(0), reply, { type: "noReply", atMs: at(50), tag: "q", reason: "exception", code: 2 }));
    await clock.advanceSettling(100);
    expect(events().slice(1, 3)).toEqual([
      { type: "reply", tag: "q", data: Uint8Array.of(2, 0x25), byteCount: 2 },
      { type: "noReply", tag: "q", reason: "exception", code: 2 },
    ]);
  });

  it.each([
    ["ENOENT", "gone"],
    ["EACCES", "permission"],
    ["EISDIR", "io"],
  ])("answers a file that cannot be read (%s) with %s", async (errno, code) => {
    const readText = () => Promise.reject(Object.assign(new Error(errno), { code: errno }));
    const { clock, events } = playing(capture(bytes(0, 1)), { readText });
    await clock.advanceSettling(0);
    expect(events()).toMatchObject([{ type: "closed", code }]);
  });
});

describe("the file of a capture", () => {
  it("is read whole, unless it is too large to hold", async () => {
    const directory = mkdtempSync(join(tmpdir(), "stoep-replay-"));
    const file = join(directory, "a.txt");
    writeFileSync(file, "# stoep-golden 1\n");
    expect(await readCaptureFile(file)).toBe("# stoep-golden 1\n");
    truncateSync(file, CAPTURE_BYTES_MAX + 1);
    await expect(readCaptureFile(file)).rejects.toThrow("at most");
    rmSync(directory, { recursive: true });
  });
});
