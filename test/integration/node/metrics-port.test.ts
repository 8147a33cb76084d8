import { createServer, type Server } from "node:net";
import { describe, expect, it, onTestFinished } from "vitest";
import type { LocalStatus } from "../../../src/runtime/status.ts";
import { openLab } from "../../support/lab.ts";
import { freePort } from "../../support/mosquitto.ts";
import { stoep } from "../../support/node-process.ts";

const SIMULATED = { driver: "simulator", options: { channels: { pm25: { quantity: "pm25", max: 30, everyMs: 100 } } } };
const CODE = "METRICS_PORT_REFUSED";

/** Another program that listens there. */
function squatter(port: number): Promise<Server> {
  const server = createServer();
  onTestFinished(() => void server.close());
  return new Promise((listening) => server.listen(port, "127.0.0.1", () => listening(server)));
}

const problemsOf = ({ status }: LocalStatus): readonly string[] => status.problems.map(({ code }) => code);
const served = async (port: number): Promise<string> => (await fetch(`http://127.0.0.1:${port}/metrics`)).text();

describe("a node whose port of metrics is taken", () => {
  it("measures and delivers, says so with a remedy, and has it at a reload when it is free", async () => {
    const lab = openLab();
    const [port, broker] = await Promise.all([freePort(), lab.mosquitto()]);
    const other = await squatter(port);
    const subscriber = await lab.subscriber(broker.url);
    const site = lab.site({ broker: { url: broker.url }, sensors: { air: SIMULATED }, metrics: { port } });
    const node = await site.runUntilReady();
    const remedy = expect.stringContaining("name another metrics.port");
    expect(await node.event("MetricsPortRefused")).toMatchObject({
      port,
      level: 40,
      remedy,
      detail: expect.stringContaining("EADDRINUSE"),
    });
    const status = await site.statusWhen(({ sensors }) => sensors.air?.state === "ok");
    expect(problemsOf(status)).toContain(CODE);
    expect(status.status.health).toBe("degraded");
    await subscriber.waitFor((all) => all.some(({ topic }) => topic.endsWith("/summary")), 60_000);
    await new Promise((closed) => other.close(closed));
    expect((await stoep(["reload", site.file])).code).toBe(0);
    expect(await served(port)).toContain('stoep_sensor_ok{sensor="air"}');
    expect(problemsOf(await site.status())).not.toContain(CODE);
    expect(node.events("MetricsPortOpened")).toHaveLength(1);
    expect((await node.stop()).code).toBe(0);
  });

  it("takes over another port at a reload, also one that is taken", async () => {
    const [first, second] = await Promise.all([freePort(), freePort()]);
    const config = { broker: { url: "mqtt://127.0.0.1:1" }, sensors: { air: SIMULATED } };
    const site = openLab().site({ ...config, metrics: { port: first } });
    const node = await site.runUntilReady();
    expect(await served(first)).toContain("stoep_");
    await squatter(second);
    site.write({ ...config, metrics: { port: second } });
    expect((await stoep(["reload", site.file])).code).toBe(0);
    expect(problemsOf(await site.status())).toContain(CODE);
    await expect(served(first)).rejects.toThrow("fetch failed");
    site.write({ ...config, metrics: { port: first } });
    expect((await stoep(["reload", site.file])).code).toBe(0);
    expect(await served(first)).toContain("stoep_");
    expect(problemsOf(await site.status())).not.toContain(CODE);
    expect(node.events("SensorOpened")).toHaveLength(1);
  });
});
