import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { effectiveJson, effectiveLines, effectiveText } from "../../../src/config/effective.ts";
import { parseNodeFile } from "../../../src/config/parse.ts";
import { planNode } from "../../../src/config/plan-node.ts";
import { fakeDrivers } from "../../contract/config-fake-drivers.ts";

const BASE = "stoep: 1\nbroker: { url: mqtts://mqtt.example, prefix: city/a, password: { credential: secret } }\nwindow: 5m\n";
const OWN = `extends: base.yaml
node: { id: n1 }
window: 10m
sensors:
  air-1:
    driver: sds011
    serial: { path: /dev/serial/by-id/a }
`;

function effective(text: string, base: string) {
  const parsed = parseNodeFile(text, "node.yaml", () => ({ file: "base.yaml", text: base }));
  const { plan, problems } = planNode(parsed, fakeDrivers);
  if (plan === null) throw new Error(JSON.stringify(problems));
  return { plan, lines: effectiveLines(parsed, plan) };
}

describe("the file as it is in force", () => {
  const { lines, plan } = effective(OWN, BASE);
  const of = new Map((effectiveJson(lines) as { path: string; value: unknown; origin: string }[]).map((line) => [line.path, line]));

  it.each([
    ["window", "10m", "node.yaml:3"],
    ["broker.prefix", "city/a", "base.yaml:2"],
    ["broker.password.credential", "secret", "base.yaml:2"],
    ["broker.keepAlive", "30s", "default"],
    ["storage.outbox.maxBytes", "256MB", "default"],
    ["sensors.air-1.driver", "sds011", "node.yaml:6"],
    ["sensors.air-1.onStartFailure", "retry", "default"],
    ["sensors.air-1.streams.pm25.window", "10m", "driver sds011"],
  ])("%s is %s, from %s", (path, value, origin) => {
    expect(of.get(path)).toEqual({ path, value, origin });
  });

  it("is printed as a node file that means the same", () => {
    const text = effectiveText(lines);
    expect(text).not.toContain("extends");
    const again = planNode(parseNodeFile(text, "effective.yaml"), fakeDrivers);
    expect(again.problems).toEqual([]);
    expect(again.plan).toEqual(plan);
  });

  it("means the same for the example, which shows every key", () => {
    const example = readFileSync(new URL("../../../config/node.example.yaml", import.meta.url), "utf8");
    const whole = effective(example, "");
    const again = planNode(parseNodeFile(effectiveText(whole.lines), "effective.yaml"), fakeDrivers);
    expect(again.problems).toEqual([]);
    expect(again.plan).toEqual(whole.plan);
  });
});
