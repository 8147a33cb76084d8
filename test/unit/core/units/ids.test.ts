import { describe, expect, it } from "vitest";
import { idProblem, sensorId, streamId } from "../../../../src/core/units/ids.ts";

describe("idProblem", () => {
  it.each(["a", "0", "air-1", "gate_2", "a".repeat(32)])("accepts %s", (text) => {
    expect(idProblem(text)).toBeNull();
  });

  it.each(["", "A", "-a", "_a", "a.b", "a/b", "a b", "a+", "#", "é", "a".repeat(33), "air-1\n"])("refuses %j", (text) => {
    expect(idProblem(text)).toMatch(/1 to 32/);
  });

  it.each(["status", "meta", "summary"])("keeps the topic level %s for Stoep", (text) => {
    expect(idProblem(text)).toMatch(/reserved/);
  });
});

it("names a stream after its sensor", () => {
  expect(streamId(sensorId("air-1"), "pm25")).toBe("air-1.pm25");
});
