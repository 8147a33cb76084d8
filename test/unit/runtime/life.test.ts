import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadDriver } from "../../../src/adapters/driver-loader.ts";
import { parseNodeFile } from "../../../src/config/parse.ts";
import type { NodePlan } from "../../../src/config/plan.ts";
import { planNode } from "../../../src/config/plan-node.ts";
import { VirtualNode } from "../../support/virtual-node.ts";

const PATHS = [{ path: join(import.meta.dirname, "../../../drivers") }];
const HEAD = "stoep: 1\nnode: { id: n1 }\nbroker: { url: mqtts://broker.example, prefix: a }\nsensors:\n  s:\n";
const PORT = "/dev/serial/by-id/s";

async function planned(driver: string, body: string): Promise<NodePlan> {
  const loaded = await loadDriver(driver, PATHS);
  if (!loaded.ok) throw new Error(loaded.problem.detail);
  const text = `${HEAD}    driver: ${driver}\n    serial: { path: ${PORT} }\n    ${body}\n`;
  const { plan, problems } = planNode(parseNodeFile(text, "node.yaml"), new Map([[driver, loaded.driver]]));
  if (plan === null) throw new Error(problems.map(({ message }) => message).join("\n"));
  return plan;
}

const latin1 = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);
const text = (line: string): Uint8Array => new TextEncoder().encode(line);
/** MH-Z19B manual, command 0x86: 544 ppm. */
const CO2 = latin1(0xff, 0x86, 0x02, 0x20, 0, 0, 0, 0, 0x58);
const PEOPLE = "{ people: { key: n, quantity: occupancy, range: [0, 500], resolution: 1 } }";
const WITHHELD = "policy: withheld";

// What a sensor of people sees shows no life. What comes by the rhythm of an instrument does, whatever the operator makes of it.
describe("a sensor that keeps its rhythm is alive", () => {
  it.each<[string, string, string, Uint8Array]>([
    ["as its driver has it", "mhz19", "streams: {}", CO2],
    ["when the operator makes its channel stricter", "mhz19", `streams: { co2: { sensitivity: presence, ${WITHHELD} } }`, CO2],
    [
      "when it tells of people by the clock",
      "json-lines",
      `options: { fields: ${PEOPLE}, everyMs: 5000 }\n    streams: { people: { ${WITHHELD} } }`,
      text('{"n":3}\n'),
    ],
  ])("%s", async (_, driver, body, report) => {
    const node = new VirtualNode();
    await node.start(await planned(driver, body));
    for (let round = 0; round < 20; round++) {
      await node.clock.advance(4_000);
      node.ports.last(PORT).listener({ type: "bytes", data: report.slice() });
      await node.clock.advance(1_000);
    }
    expect(node.node.status().sensors.s).toMatchObject({ state: "ok", trouble: null });
    expect(node.ports.opened).toHaveLength(1);
    await node.clock.advance(60_000);
    expect(node.node.status().sensors.s, "and not when it is quiet").toMatchObject({ state: "silent" });
  });
});

it("lines that come when somebody passes show no life and no silence", async () => {
  const node = new VirtualNode();
  await node.start(await planned("json-lines", `options: { fields: ${PEOPLE} }\n    streams: { people: { ${WITHHELD} } }`));
  const seen: unknown[] = [];
  for (const silenceMs of [600_000, 1_000, 3_600_000]) {
    await node.clock.advance(silenceMs);
    node.ports.last(PORT).listener({ type: "bytes", data: text('{"n":3}\n') });
    await node.clock.advance(1_000);
    seen.push(node.node.status().sensors.s);
  }
  expect(new Set(seen.map((one) => JSON.stringify(one))).size).toBe(1);
  expect(node.ports.opened).toHaveLength(1);
});
