import { describe, expect, it } from "vitest";
import { findQuantity, QUANTITIES, SENSITIVITIES, stricter } from "../../../../src/core/reading/quantity.ts";

describe("the vocabulary", () => {
  it("knows nothing that it does not list, not even what every object has", () => {
    expect(findQuantity("pm25")).toMatchObject({ kind: "gauge", unit: "ug/m3", floor: "environmental" });
    for (const name of ["constructor", "__proto__", "toString", "PM25", ""]) expect(findQuantity(name)).toBeNull();
  });

  it.each(["passages", "speed", "occupancy", "presence", "bay_state"])("holds %s to stem from people", (name) => {
    expect(findQuantity(name)?.floor).toBe("presence");
  });

  it.each(["devices", "plates", "energy", "power", "gas", "water_use"])("holds %s to identify", (name) => {
    expect(findQuantity(name)?.floor).toBe("identifying");
  });

  it("has states for every quantity of kind state, and for no other", () => {
    for (const quantity of Object.values(QUANTITIES)) expect("states" in quantity).toBe(quantity.kind === "state");
  });
});

it("takes the stricter of two sensitivities, in either order", () => {
  for (const [low, a] of SENSITIVITIES.entries()) {
    for (const [high, b] of SENSITIVITIES.entries()) expect(stricter(a, b)).toBe(SENSITIVITIES[Math.max(low, high)]);
  }
});
