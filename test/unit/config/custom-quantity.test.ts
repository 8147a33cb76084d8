import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadDriver } from "../../../src/adapters/driver-loader.ts";
import { parseNodeFile } from "../../../src/config/parse.ts";
import { planNode } from "../../../src/config/plan-node.ts";

const PATHS = [{ path: join(import.meta.dirname, "../../../drivers") }];
const HEAD = "stoep: 1\nnode: { id: n1 }\nbroker: { url: mqtts://broker.example, prefix: a }\nsensors:\n  s:\n";
const SERIAL = "serial: { path: /dev/serial/by-id/s, baud: 9600 }";
const RADON = "quantity: radon, unit: Bq/m3, range: [0, 1000], resolution: 1";

/** Each generic driver with a channel `radon`, which the vocabulary does not know. */
const GENERIC: readonly [string, string, string][] = [
  ["json-lines", SERIAL, `{ fields: { radon: { key: radon, ${RADON} } } }`],
  ["sdi12", SERIAL, `{ channels: { radon: { address: "0", value: 1, ${RADON} } } }`],
  ["modbus", "bus: rail\n    unit: 1", `{ channels: { radon: { address: 0, table: input, type: u16, ${RADON} } } }`],
];
const BUS = "buses:\n  rail: { serial: { path: /dev/serial/by-id/rail, baud: 9600 } }\n";

async function planned(driver: string, port: string, options: string, streams: string) {
  const loaded = await loadDriver(driver, PATHS);
  if (!loaded.ok) throw new Error(loaded.problem.detail);
  const text = `${HEAD}    driver: ${driver}\n    ${port}\n    options: ${options}\n${streams}${driver === "modbus" ? BUS : ""}`;
  const { plan, problems } = planNode(parseNodeFile(text, "node.yaml"), new Map([[driver, loaded.driver]]));
  return { sensor: plan?.sensors[0], problems: problems.map(({ path, message }) => `${path}: ${message}`) };
}

describe.each(GENERIC)("a quantity outside the vocabulary, from %s", (driver, port, options) => {
  const plan = (streams: string) => planned(driver, port, options, streams);

  it("is published once somebody vouches for it in writing", async () => {
    const { sensor, problems } = await plan("    streams: { radon: { sensitivity: environmental, because: Soil gas } }\n");
    expect(problems).toEqual([]);
    expect(sensor?.streams).toMatchObject([{ name: "radon", sensitivity: "environmental", policy: { is: "open" } }]);
    expect(sensor?.because).toEqual({ radon: "Soil gas" });
  });

  it("does not leave unasked, and is presence", async () => {
    const { sensor, problems } = await plan("");
    expect(problems).toMatchObject([expect.stringContaining("nothing of this sensor leaves")]);
    expect([sensor?.streams, sensor?.channels.map(({ sensitivity }) => sensitivity)]).toEqual([[], ["presence"]]);
  });

  it("is withheld when it is named without a word about people", async () => {
    const { sensor } = await plan("    streams: { radon: {} }\n");
    expect(sensor?.streams).toMatchObject([{ sensitivity: "presence", policy: { is: "withheld" } }]);
  });

  it.each([
    ["{ policy: open }", "counts as presence"],
    ["{ policy: open, sensitivity: environmental }", "also needs because:"],
    ["{ policy: open, because: Soil gas }", "counts as presence"],
  ])("is refused with %s", async (stream, why) => {
    const { problems } = await plan(`    streams: { radon: ${stream} }\n`);
    expect(problems.join("\n")).toContain(why);
  });
});
