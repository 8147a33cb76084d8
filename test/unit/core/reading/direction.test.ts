import { describe, expect, it } from "vitest";
import { type CellAxes, cellIndex, cellsOf, DIRECTIONS, ROAD_USERS } from "../../../../src/core/reading/direction.ts";

describe("cells", () => {
  it("are the whole product, directions outermost, in the order of declaration", () => {
    expect(cellsOf({ directions: ["away", "towards"], classes: ["car", "bicycle"] })).toEqual([
      { direction: "away", class: "car" },
      { direction: "away", class: "bicycle" },
      { direction: "towards", class: "car" },
      { direction: "towards", class: "bicycle" },
    ]);
    expect(cellsOf({})).toEqual([{}]);
  });

  it.each<[string, CellAxes]>([
    ["both axes", { directions: DIRECTIONS, classes: ROAD_USERS }],
    ["directions only", { directions: DIRECTIONS }],
    ["classes only", { classes: ["bus", "car"] }],
    ["no axis", {}],
  ])("find their own place with %s", (_, axes) => {
    const places = cellsOf(axes).map((cell) => cellIndex(axes, cell.direction, cell.class));
    expect(places).toEqual(places.map((_place, index) => index));
  });

  it("do not take a passage from outside the declared domain, or without a needed axis", () => {
    const axes = { directions: ["towards"], classes: ["car", "bus"] } as const;
    expect(cellIndex(axes, "away", "car")).toBe(-1);
    expect(cellIndex(axes, "towards", "bicycle")).toBe(-1);
    expect(cellIndex(axes, undefined, "car")).toBe(-1);
    expect(cellIndex(axes, "towards", undefined)).toBe(-1);
  });

  it("take any passage where an axis is not split", () => {
    expect(cellIndex({}, "away", "car")).toBe(0);
    expect(cellIndex({ directions: DIRECTIONS }, "away", "moped")).toBe(1);
  });
});
