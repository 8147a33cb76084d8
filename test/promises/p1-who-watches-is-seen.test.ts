import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { OnlineStatus } from "../../src/formats/documents.ts";
import { openLab } from "../support/lab.ts";
import { PREFIX, stoep } from "../support/node-process.ts";
import { OPS243_PRODUCT, OPS243_UNITS, ops243Line } from "../support/ops243.ts";

// `stoep watch` and `stoep capture` are the one way by which somebody on the node sees what people do (CONTRACT §6). Without --people
// they show nothing; with it, that is written down before and said in the status, and nothing leaves by any other way.

/** A speed that stands nowhere by chance, in km/h: 87.6 was once how many MB the node took. */
const CANARY = "187.6";
const STATUS = `${PREFIX}/n0042/status`;

async function street() {
  const lab = openLab();
  const [broker, pty] = await Promise.all([lab.mosquitto(), lab.pty()]);
  const subscriber = await lab.subscriber(broker.url);
  const streams = { passages: { policy: "noised", epsilon: 1, window: "5m" } };
  const site = lab.site({ broker: { url: broker.url }, sensors: { gate: { driver: "ops243", serial: { path: pty.path }, streams } } });
  const node = await site.runUntilReady();
  await node.event("SensorOpened");
  await node.event("BrokerConnected");
  await pty.feed(OPS243_UNITS + OPS243_PRODUCT);
  let isOver = false;
  const passing = (async () => {
    for (let index = 0; !isOver; index++) {
      await pty.feed(ops243Line(Number(CANARY), index % 2 === 0 ? "inbound" : "outbound"));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  })();
  const problems = (): readonly string[] => {
    const last = subscriber.messages.filter(({ topic }) => topic === STATUS).at(-1);
    return (JSON.parse(last?.payload.toString("utf8") ?? "{}") as Partial<OnlineStatus>).problems?.map(({ code }) => code) ?? [];
  };
  const end = async () => {
    isOver = true;
    await passing;
    await node.stop();
    return [...subscriber.messages.map(({ topic, payload }) => `${topic} ${payload.toString("utf8")}`), node.stdout, node.stderr];
  };
  return { site, node, subscriber, problems, end };
}

describe("P1: who watches people is seen", () => {
  it("P1: without --people neither watch nor capture shows a byte, and nobody is told anything", { timeout: 60_000 }, async () => {
    const { site, problems, end } = await street();
    const file = join(site.folder, "street.txt");
    const asked = [
      ["watch", "gate", site.file],
      ["watch", "gate", site.file, "--json"],
      ["watch", "gate", site.file, "--people", "--for", "11m"],
      ["capture", "gate", site.file, "-o", file],
    ];
    for (const words of asked) {
      const { code, stdout, stderr } = await stoep(words);
      expect(code, words.join(" ")).toBe(65);
      expect(stdout).toBe("");
      expect(stderr).toMatch(/What to do: (add --people|ask for less)/);
    }
    expect(existsSync(file)).toBe(false);
    expect(problems()).not.toContain("WATCHED");
    expect((await stoep(["egress", site.file])).stdout).not.toContain("watched");
    for (const text of await end()) expect(text).not.toContain(CANARY);
  });

  it("P1: with --people the egress log and the retained status say so, and nothing leaves but what left before", {
    timeout: 60_000,
  }, async () => {
    const { site, subscriber, problems, end } = await street();
    const file = join(site.folder, "street.txt");
    const watching = stoep(["watch", "gate", site.file, "--people", "--for", "8s"]);
    await subscriber.waitFor(() => problems().includes("WATCHED"), 20_000);
    const local = await stoep(["status", site.file]);
    expect(local.stdout).toMatch(/gate +WATCHED since/);
    const { code, stdout, stderr } = await watching;
    expect(code).toBe(0);
    expect(stdout, "what it is for").toContain(CANARY);
    expect(stderr).toContain("This is about people");
    await subscriber.waitFor(() => !problems().includes("WATCHED"), 20_000);

    const captured = await stoep(["capture", "gate", site.file, "-o", file, "--people", "--for", "2s"]);
    expect(captured.code).toBe(0);
    expect(captured.stderr).toMatch(/what people did, one by one.*delete it/s);
    expect(readFileSync(file, "utf8")).toMatch(/^# PEOPLE: /m);
    expect(readFileSync(file, "utf8")).toContain(CANARY);

    const egress = await stoep(["egress", site.file]);
    expect(egress.code, "the chain is whole").toBe(0);
    expect(egress.stdout).toMatch(/gate: watched on this machine, for at most 8s, by local socket, says to be \S+ \(uid \d+\)/);
    expect(egress.stdout).toMatch(/gate: recorded, raw, on this machine, for at most 2s/);
    for (const text of [...(await end()), egress.stdout, local.stdout]) expect(text).not.toContain(CANARY);
  });
});
