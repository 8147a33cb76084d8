import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { explain, explanationText } from "../../src/config/explain.ts";
import { parseNodeFile } from "../../src/config/parse.ts";
import { planNode } from "../../src/config/plan-node.ts";
import { fakeDrivers } from "./config-fake-drivers.ts";

const text = readFileSync(new URL("../../config/node.example.yaml", import.meta.url), "utf8");
const { plan } = planNode(parseNodeFile(text, "node.example.yaml"), fakeDrivers);
if (plan === null) throw new Error("the example has a mistake");
const of = (stream: string) => {
  const [one, ...more] = explain(plan, stream);
  if (one === undefined || more.length > 0) throw new Error(`${stream} is not one stream`);
  return one;
};

describe("stoep explain", () => {
  it("explains every stream of a file, those that stay too", () => {
    expect(explain(plan).map(({ stream, leaves }) => `${stream} ${leaves}`)).toEqual([
      ...["air-1.pm25 true", "air-1.pm10 true", "rain-1.rain true"],
      ...["gate-1.passages true", "gate-1.speed true", "gate-1.passages_1d true"],
      ...["door-1.entries true", "gate-2.passages true", "gate-2.speed false", "bay-01.state false"],
    ]);
    expect(explain(plan, "nobody.nothing")).toEqual([]);
  });

  it.each(["gate-1.passages", "gate-1.passages_1d", "door-1.entries", "gate-2.passages", "air-1.pm25", "bay-01.state"])(
    "tells all of %s in words",
    async (stream) => {
      await expect(explanationText(of(stream), plan.node.id)).toMatchFileSnapshot(`./explained/${stream}.txt`);
    },
  );

  it("adds up what a person tells by the account, and not by the stream", () => {
    const { budget } = of("gate-1.passages");
    expect(budget).toMatchObject({ epsilon: "0.6", epsilonExact: "3/5", accountTotal: "1", sharedWith: ["gate-1.speed"] });
    expect(budget?.perDay).toEqual([
      { passings: 1, epsilon: "1" },
      { passings: 2, epsilon: "2" },
      { passings: 10, epsilon: "10" },
    ]);
    expect(budget?.perCommuterMonth).toBe("60");
  });

  it("says of a declared account that it is declared", () => {
    expect(explanationText(of("door-1.entries"), plan.node.id)).toContain('the people of "library", whom the operator declares');
  });

  it("shows no budget where none is spent", () => {
    for (const stream of ["gate-1.passages_1d", "gate-2.passages", "air-1.pm25"]) expect(of(stream).budget).toBeNull();
  });

  it("never has readings of people on flash", () => {
    for (const { sensitivity, kept } of explain(plan)) {
      if (sensitivity === "environmental") continue;
      for (const { what, where } of kept) if (what === "readings") expect(where).toMatch(/memory; never a disk\)$/);
    }
  });
});
