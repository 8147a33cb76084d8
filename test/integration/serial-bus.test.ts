import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { closeSync, constants, mkdtempSync, openSync, readdirSync, readSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterAll, afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { createSerialBus, PATH_CHECK_MS, WRITE_QUEUE_BYTES_MAX } from "../../src/adapters/serial-bus.ts";
import type { PortListener } from "../../src/ports/field-port.ts";
import { recorder, SETTINGS, serialBusContract, until } from "../contract/serial-bus.ts";
import { manualClock, realClock } from "../support/manual-clock.ts";
import { openPtyPair, type PtyPair } from "../support/pty.ts";

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

describe("the serial bus on pseudo terminals keeps the contract", () =>
  serialBusContract(async () => {
    const pair = await openPtyPair();
    return { ...pair, bus: createSerialBus({ clock: realClock() }), missingPath: `${pair.path}-missing` };
  }));

describe("the serial bus on pseudo terminals", () => {
  let pair: PtyPair;
  const clock = manualClock();
  const bus = createSerialBus({ clock });
  const scratch = mkdtempSync(join(tmpdir(), "stoep-serial-"));
  afterAll(() => rmSync(scratch, { recursive: true }));
  beforeEach(async () => {
    pair = await openPtyPair();
  });
  afterEach(() => pair.dispose());

  const open = async (path: string, settings = SETTINGS) => {
    const heard = recorder();
    const port = bus.open(path, settings, heard.listener);
    await until(() => expect(heard.events.length).toBeGreaterThan(0));
    return { port, ...heard };
  };

  /** The check of the one open port is over and waits for its next turn. */
  const checkRests = (): Promise<void> => until(() => expect(clock.waiting).toBe(1));

  it("tells `closed` within a second of the plug being pulled in the middle of a stream", async () => {
    const { closed, bytes } = await open(pair.path);
    await pair.feed("half a fra");
    await until(() => expect(bytes().toString()).toBe("half a fra"));
    const cutMs = performance.now();
    await pair.cut();
    await until(() => expect(closed()).toMatchObject({ code: "gone" }));
    expect(performance.now() - cutMs).toBeLessThan(1_000);
  });

  it("passes a megabyte on without losing a byte", async () => {
    const digest = createHash("sha256");
    let byteCount = 0;
    let isOpen = false;
    const port = bus.open(pair.path, SETTINGS, (event) => {
      isOpen ||= event.type === "opened";
      if (event.type !== "bytes") return;
      byteCount += event.data.length;
      digest.update(event.data);
    });
    const data = Buffer.alloc(
      1_024 * 1_024,
      Uint8Array.from({ length: 251 }, (_, index) => index),
    );
    await until(() => expect(isOpen).toBe(true));
    await pair.feed(data);
    await until(() => expect(byteCount).toBe(data.length));
    expect(digest.digest("hex")).toBe(createHash("sha256").update(data).digest("hex"));
    port.close();
  });

  // A pseudo terminal keeps speed and stop bits, but forces eight data bits without parity.
  it.each([
    ["1200 7E1", { baudRate: 1_200, dataBits: 7, parity: "even", stopBits: 1 }, /speed 1200 .* -cstopb /s],
    ["115200 8O2", { baudRate: 115_200, dataBits: 8, parity: "odd", stopBits: 2 }, /speed 115200 .* cstopb /s],
  ] as const)("sets the line to %s", async (_name, settings, shown) => {
    const { port, events } = await open(pair.path, settings);
    expect(events).toEqual([{ type: "opened", settings: { serial: settings } }]);
    expect(execFileSync("stty", ["-a", "-F", pair.path]).toString()).toMatch(shown);
    port.close();
  });

  it.each([9_600, 31_250])("leaves what was said before it opened unheard, at %i baud", async (baudRate) => {
    await pair.feed("?from long ago");
    const early = openSync(pair.path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    // One byte has arrived, so the others, written with it, have.
    await until(() => expect(readSync(early, Buffer.alloc(1))).toBe(1));
    closeSync(early);
    const { port, bytes } = await open(pair.path, { baudRate });
    await pair.feed("now");
    await until(() => expect(bytes().toString()).toBe("now"));
    port.close();
  });

  it("notices by the path alone that the device behind it is another one", async () => {
    const other = await openPtyPair();
    onTestFinished(() => other.dispose());
    const link = join(scratch, "by-id");
    symlinkSync(pair.path, link);
    const { closed, types } = await open(link);
    for (let round = 0; round < 3; round++) {
      clock.advance(PATH_CHECK_MS);
      await checkRests();
    }
    expect(types()).toEqual(["opened"]);
    rmSync(link);
    symlinkSync(other.path, link);
    clock.advance(PATH_CHECK_MS);
    await until(() => expect(closed()).toMatchObject({ code: "gone", detail: expect.stringContaining("another") }));
    // The old descriptor is closed: its device can be opened.
    expect((await open(pair.path)).types()).toEqual(["opened"]);
  });

  it("notices by the path alone that the device is gone, and checks no more once it is closed", async () => {
    const link = join(scratch, "gone");
    symlinkSync(pair.path, link);
    const { closed } = await open(link);
    rmSync(link);
    clock.advance(PATH_CHECK_MS);
    await until(() => expect(closed()).toMatchObject({ code: "gone" }));
    const { port } = await open(pair.path);
    port.close();
    expect(clock.waiting).toBe(0);
  });

  it("looks at the paths of all open ports in one go", async () => {
    const other = await openPtyPair();
    onTestFinished(() => other.dispose());
    const [one, two] = [await open(pair.path), await open(other.path)];
    expect(clock.waiting).toBe(1);
    await other.cut();
    await until(() => expect(two.closed()).toMatchObject({ code: "gone" }));
    expect(clock.waiting).toBe(1);
    one.port.close();
    expect(clock.waiting).toBe(0);
  });

  it("keeps nothing of what it passed on", async () => {
    const passedOn: Uint8Array[] = [];
    const port = bus.open(pair.path, SETTINGS, (event) => {
      if (event.type === "bytes") passedOn.push(event.data);
    });
    await until(() => expect(clock.waiting).toBe(1));
    await pair.feed("a reading");
    await until(() => expect(passedOn.length).toBeGreaterThan(0));
    expect(Buffer.concat(passedOn).every((byte) => byte === 0)).toBe(true);
    port.close();
  });

  it("gives up a device that takes no bytes", async () => {
    const { port, closed } = await open(pair.path);
    const block = new Uint8Array(WRITE_QUEUE_BYTES_MAX);
    for (let round = 0; round < 100 && closed() === undefined; round++) {
      port.write(block);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => expect(closed()).toMatchObject({ code: "io", detail: expect.stringContaining("write queue") }));
  });

  it("says so when the port has no control lines", async () => {
    const { port, closed } = await open(pair.path);
    port.signal("break", true);
    await until(() => expect(closed()).toMatchObject({ code: "unsupported" }));
  });

  it("answers `unsupported` to a path that is no serial port", async () => {
    const file = join(scratch, "file");
    writeFileSync(file, "");
    for (const path of [file, scratch]) expect((await open(path)).closed()).toMatchObject({ code: "unsupported" });
  });

  it("leaks no descriptor and no task over 100 openings", async () => {
    const descriptors = (): number => readdirSync("/proc/self/fd").length;
    const before = descriptors();
    for (let round = 0; round < 100; round++) (await open(pair.path)).port.close();
    const { port } = await open(pair.path);
    port.close();
    await until(() => expect(descriptors()).toBe(before));
    expect(clock.waiting).toBe(0);
  });

  it("holds nothing of an opening that is over", async () => {
    const opening = async (): Promise<WeakRef<PortListener>> => {
      const { port, listener } = await open(pair.path);
      port.close();
      return new WeakRef(listener);
    };
    const over = await opening();
    await until(() => {
      collectGarbage();
      expect(over.deref() === undefined).toBe(true); // an assertion that fails would hold it
    });
  });
});
