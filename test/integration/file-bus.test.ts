import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { createFileBus, FILE_BYTES_MAX } from "../../src/adapters/file-bus.ts";
import { createSystemClock } from "../../src/adapters/system-clock.ts";
import type { PortEvent } from "../../src/ports/field-port.ts";
import { fileBusContract, recorder, until } from "../contract/file-bus.ts";

const root = mkdtempSync(join(tmpdir(), "stoep-file-bus-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const clock = createSystemClock();

/** As sysfs has it: the folder of a device is a link from the folder of its bus. */
function w1(name: string): { readonly path: string; readonly real: string } {
  const real = join(root, "w1_bus_master1", name);
  const bus = join(root, "bus");
  rmSync(real, { recursive: true, force: true });
  mkdirSync(real, { recursive: true });
  mkdirSync(bus, { recursive: true });
  rmSync(join(bus, name), { force: true });
  symlinkSync(real, join(bus, name));
  return { path: join(bus, name), real };
}

describe("files of the real system", () => {
  describe("keep the contract", () =>
    fileBusContract(async () => {
      const { path, real } = w1("28-000005e2fdc3");
      return {
        bus: createFileBus({ clock }),
        path,
        missingPath: join(root, "bus", "28-missing"),
        write: async (name, text) => writeFileSync(join(real, name), text),
        pull: async () => rmSync(real, { recursive: true }),
        dispose: async () => {},
      };
    }));

  let device: ReturnType<typeof w1>;
  beforeEach(() => {
    device = w1("28-000005e2fdc4");
  });
  const ask = async (file: string, path = device.path): Promise<PortEvent | undefined> => {
    const heard = recorder();
    const port = createFileBus({ clock }).open(path, heard.listener);
    await until(() => expect(heard.events.length).toBe(1));
    if (heard.events[0]?.type === "closed") return heard.events[0];
    port.request("t", { file }, 2_000);
    await until(() => expect(heard.events.length).toBe(2));
    port.close();
    return heard.events[1];
  };
  const refused = (code: number) => ({ type: "noReply", tag: "t", reason: "exception", code });

  it.each(["../28-other/secret", "../../secret", "link-out", "."])("reads nothing outside the folder: %s", async (file) => {
    mkdirSync(join(root, "w1_bus_master1", "28-other"), { recursive: true });
    for (const place of [join(root, "w1_bus_master1", "28-other", "secret"), join(root, "secret")]) writeFileSync(place, "secret");
    symlinkSync(join(root, "secret"), join(device.real, "link-out"));
    expect(await ask(file)).toEqual(refused(constants.errno.EPERM));
  });

  it("a name that starts like the folder is not below it", async () => {
    mkdirSync(`${device.real}-evil`, { recursive: true });
    writeFileSync(`${device.real}-evil/secret`, "secret");
    expect(await ask("../28-000005e2fdc4-evil/secret")).toEqual(refused(constants.errno.EPERM));
  });

  it.each([
    [FILE_BYTES_MAX, "reply"],
    [FILE_BYTES_MAX + 1, "noReply"],
  ])("a file of %d bytes: %s", async (size, type) => {
    writeFileSync(join(device.real, "long"), "x".repeat(size));
    const event = await ask("long");
    expect(event?.type).toBe(type);
    if (event?.type === "reply") expect(event.data.length).toBe(size);
    else expect(event).toEqual(refused(constants.errno.EFBIG));
  });

  it("a pipe that nobody writes to is refused, and holds nothing up", async () => {
    execFileSync("mkfifo", [join(device.real, "pipe")]);
    expect(await ask("pipe")).toEqual(refused(constants.errno.EPERM));
  });

  it("a file in place of the folder is said to be one", async () => {
    writeFileSync(join(device.real, "w1_slave"), "");
    expect(await ask("x", join(device.path, "w1_slave"))).toMatchObject({ type: "closed", code: "settings" });
  });

  it("reads many devices, each with its own answer", async () => {
    const devices = Array.from({ length: 20 }, (_, index) => w1(`28-${index}`));
    for (const [index, { real }] of devices.entries()) writeFileSync(join(real, "w1_slave"), `device ${index}`);
    const bus = createFileBus({ clock });
    const heard = devices.map(({ path }) => {
      const one = recorder();
      return { ...one, port: bus.open(path, one.listener) };
    });
    await until(() => expect(heard.every(({ events }) => events.length === 1)).toBe(true));
    for (const { port } of heard) port.request("t", { file: "w1_slave" }, 5_000);
    await until(() => expect(heard.every(({ events }) => events.length === 2)).toBe(true));
    const said = heard.map(({ events }) => (events[1]?.type === "reply" ? Buffer.from(events[1].data).toString() : "nothing"));
    expect(said).toEqual(devices.map((_, index) => `device ${index}`));
    for (const { port } of heard) port.close();
  });

  // No file of the real system can be made to hang at will: the read is a stand-in here.
  describe("a device that never answers", () => {
    const STUCK = "28-00000000dead";
    function bus() {
      const reads: string[] = [];
      const read = async (folder: string): Promise<Uint8Array> => {
        reads.push(folder);
        if (folder.endsWith(STUCK)) await new Promise(() => undefined);
        return Buffer.from("ok");
      };
      return { bus: createFileBus({ clock, read }), reads };
    }
    const opened = async (files: ReturnType<typeof createFileBus>, name: string) => {
      const heard = recorder();
      const port = files.open(w1(name).path, heard.listener);
      await until(() => expect(heard.events.length).toBe(1));
      return { port, events: heard.events };
    };

    it("keeps one turn, however often its port is opened anew, and the others are read", async () => {
      const { bus: files, reads } = bus();
      for (let opening = 0; opening < 5; opening++) {
        const stuck = await opened(files, STUCK);
        stuck.port.request("t", { file: "w1_slave" }, 20);
        await until(() => expect(stuck.events.length).toBe(2));
        expect(stuck.events[1]).toMatchObject({ reason: opening === 0 ? "timeout" : "busy" });
        stuck.port.close();
      }
      expect(reads.length, "asked once").toBe(1);
      const other = await opened(files, "28-1");
      other.port.request("t", { file: "w1_slave" }, 1_000);
      await until(() => expect(other.events[1]).toMatchObject({ type: "reply" }));
      other.port.close();
    });

    it("a wait for others is no timeout, and who closed does not wait any more", async () => {
      const reads: { readonly folder: string; readonly end: () => void }[] = [];
      const read = (folder: string) => new Promise<Uint8Array>((resolve) => reads.push({ folder, end: () => resolve(Buffer.from("ok")) }));
      const files = createFileBus({ clock, read });
      const devices = await Promise.all(["28-1", "28-2", "28-3", "28-4"].map((name) => opened(files, name)));
      for (const { port } of devices) port.request("t", { file: "w1_slave" }, 150);
      const [first, second, third, fourth] = devices;
      await until(() => expect(first?.events[1]).toMatchObject({ reason: "timeout" }));
      await until(() => expect(second?.events[1]).toMatchObject({ reason: "timeout" }));
      expect([third?.events.length, fourth?.events.length, reads.length]).toEqual([1, 1, 2]);
      third?.port.close();
      for (const { end } of reads) end();
      await until(() => expect(reads.length).toBe(3));
      reads[2]?.end();
      await until(() => expect(fourth?.events[1]).toMatchObject({ type: "reply" }));
      expect(reads.map(({ folder }) => folder.slice(-4))).toEqual(["28-1", "28-2", "28-4"]);
      for (const { port } of devices) port.close();
    });
  });
});
