import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { FileBus, PortEvent } from "../../src/ports/field-port.ts";

/** A file bus with a folder at `path`, and the means to play the device that the kernel shows there. */
export interface FileBench {
  readonly bus: FileBus;
  readonly path: string;
  readonly missingPath: string;
  write(name: string, text: string): Promise<void>;
  pull(): Promise<void>;
  dispose(): Promise<void>;
}

/** Keeps what a port tells; bytes are copied, since they are only valid during the call. */
export function recorder() {
  const events: PortEvent[] = [];
  const listener = (event: PortEvent): void => {
    events.push(event.type === "reply" ? { ...event, data: event.data.slice() } : event);
  };
  return { events, listener, last: () => events.at(-1) };
}

/** Waits for what happens outside this process; at once where nothing does. */
export const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 5_000, interval: 2 });

const text = (event: PortEvent | undefined): string => (event?.type === "reply" ? Buffer.from(event.data).toString() : "");

/** What every `FileBus` promises. */
export function fileBusContract(make: () => Promise<FileBench>): void {
  let bench: FileBench;
  beforeEach(async () => {
    bench = await make();
  });
  afterEach(() => bench.dispose());

  const open = async (path = bench.path) => {
    const heard = recorder();
    const port = bench.bus.open(path, heard.listener);
    expect(heard.events).toEqual([]);
    await until(() => expect(heard.events.length).toBe(1));
    return { port, ...heard };
  };

  it("opens: `opened` comes first, and not from within the call", async () => {
    const { events, port } = await open();
    expect(events).toEqual([{ type: "opened", settings: {} }]);
    port.close();
  });

  it("a folder that is not there is `gone`, with a remedy", async () => {
    const { events } = await open(bench.missingPath);
    expect(events).toMatchObject([{ type: "closed", code: "gone" }]);
    expect((events[0] as { remedy: string }).remedy).not.toBe("");
  });

  it("answers with what is in the file now, under the tag of the question, and not from within the call", async () => {
    const { port, events, last } = await open();
    for (const said of ["first\n", "second, longer\n", ""]) {
      await bench.write("w1_slave", said);
      const before = events.length;
      port.request(`ask ${said.length}`, { file: "w1_slave" }, 1_000);
      expect(events.length).toBe(before);
      await until(() => expect(events.length).toBe(before + 1));
      expect(last()).toMatchObject({ type: "reply", tag: `ask ${said.length}` });
      expect(text(last())).toBe(said);
    }
    port.close();
  });

  it("a file that is not there is an exception with ENOENT, and the port stays open", async () => {
    const { port, events, last } = await open();
    port.request("t", { file: "nothing" }, 1_000);
    await until(() => expect(last()).toEqual({ type: "noReply", tag: "t", reason: "exception", code: 2 }));
    await bench.write("w1_slave", "still");
    port.request("t", { file: "w1_slave" }, 1_000);
    await until(() => expect(text(last())).toBe("still"));
    expect(events.length).toBe(3);
    port.close();
  });

  it("a second question before the answer to the first is `busy`, and the first is answered", async () => {
    const { port, events } = await open();
    await bench.write("w1_slave", "one");
    port.request("first", { file: "w1_slave" }, 1_000);
    port.request("second", { file: "w1_slave" }, 1_000);
    await until(() => expect(events.length).toBe(3));
    expect(events).toContainEqual({ type: "noReply", tag: "second", reason: "busy" });
    expect(events.find((event) => event.type === "reply")).toMatchObject({ tag: "first" });
    port.close();
  });

  it("refuses bytes and registers", async () => {
    const { port, last } = await open();
    port.request("b", { data: Uint8Array.of(1) }, 1_000);
    await until(() => expect(last()).toMatchObject({ type: "noReply", tag: "b", reason: "exception" }));
    port.close();
  });

  it("a device that was pulled is `gone` with the next question", async () => {
    const { port, last } = await open();
    await bench.write("w1_slave", "one");
    await bench.pull();
    port.request("t", { file: "w1_slave" }, 1_000);
    await until(() => expect(last()).toMatchObject({ type: "closed", code: "gone" }));
  });

  it("tells nothing after `close`", async () => {
    const { port, events } = await open();
    await bench.write("w1_slave", "one");
    port.request("t", { file: "w1_slave" }, 1_000);
    port.close();
    port.close();
    port.request("t", { file: "w1_slave" }, 1_000);
    const other = await open();
    other.port.request("t", { file: "w1_slave" }, 1_000);
    await until(() => expect(other.events.length).toBe(2));
    expect(events.length).toBe(1);
  });
}
