import { expect, it } from "vitest";
import { problemEntry, problemRows } from "../../../../src/core/events/problems.ts";
import type { PortFault } from "../../../../src/ports/field-port.ts";

// A fault of ports that is missing here does not compile.
const FAULTS: Readonly<Record<Exclude<PortFault, "asked">, true>> = {
  gone: true,
  permission: true,
  busy: true,
  settings: true,
  io: true,
  ended: true,
  unsupported: true,
};

it("has an entry for every fault of a port, for silence and for a driver that failed", () => {
  const codes = problemRows("sensor").map(([code]) => code);
  const wanted = [...Object.keys(FAULTS), "silent", "driver_threw"].map((fault) => `\`SENSOR_${fault.toUpperCase()}\``);
  expect(wanted.filter((code) => !codes.includes(code))).toEqual([]);
});

it("says what is the case and what to do, for every code, and sends to the driver's README for what drivers say", () => {
  for (const of of ["node", "sensor"] as const) {
    for (const [code, health, meaning, remedy] of problemRows(of)) {
      expect(problemEntry(code?.replaceAll("`", "") ?? "")).toEqual({ health, meaning, remedy });
      expect(
        [meaning?.length, remedy?.length].every((length) => (length ?? 0) > 5),
        code,
      ).toBe(true);
    }
  }
  expect(problemEntry("SENSOR_ONLY_OPENING_EDGES").remedy).toContain("README of the driver");
  expect(problemEntry("constructor").health).toBe("degraded");
});
