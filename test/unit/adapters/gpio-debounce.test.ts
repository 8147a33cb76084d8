import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type BounceState, type Edge, offerEdge, releaseEdge, STILL } from "../../../src/adapters/gpio/debounce.ts";

const DEBOUNCE_NS = 50n;

/** Offers the edges and releases what is held once the debounce time is over, as a timer would. */
function run(edges: readonly Edge[], debounceNs = DEBOUNCE_NS): Edge[] {
  const told: Edge[] = [];
  let state: BounceState = STILL;
  for (const edge of edges) {
    if (state.told !== null && edge.atNs - state.told.atNs >= debounceNs) {
      const released = releaseEdge(state);
      told.push(...released.tell);
      state = released.state;
    }
    const step = offerEdge(state, edge, debounceNs);
    told.push(...step.tell);
    state = step.state;
  }
  return [...told, ...releaseEdge(state).tell];
}

const up = (at: number): Edge => ({ rising: true, atNs: BigInt(at) });
const down = (at: number): Edge => ({ rising: false, atNs: BigInt(at) });

describe("debouncing", () => {
  it.each([
    ["tells the first edge at once", [up(0)], [up(0)]],
    ["takes edges within the time after one that was told for bounce", [up(0), up(20), up(49)], [up(0)]],
    ["tells an edge when the time is over", [up(0), up(49), up(50)], [up(0), up(50)]],
    ["counts the time from the last edge told, so that chatter cannot silence a line", [up(0), up(40), up(80)], [up(0), up(80)]],
    ["ignores bounce of a contact that closes", [up(0), down(3), up(5), down(9), up(12)], [up(0)]],
    ["tells both ends of a pulse shorter than the time", [up(0), down(3)], [up(0), down(3)]],
    ["tells the held end before the next pulse", [up(0), down(3), up(100)], [up(0), down(3), up(100)]],
    ["tells every edge of a slow contact", [up(0), down(60), up(120)], [up(0), down(60), up(120)]],
    ["goes on when the clock of the stamps is set back", [up(1_000), down(10), up(100)], [up(1_000), down(10), up(100)]],
  ])("%s", (_name, edges, told) => {
    expect(run(edges)).toEqual(told);
  });

  it("tells everything when the time is zero", () => {
    expect(run([up(0), up(0), down(0)], 0n)).toHaveLength(3);
  });

  const stamps = fc.array(fc.nat(200), { maxLength: 60 }).map((gaps) => {
    let at = 0;
    return gaps.map((gap) => (at += gap));
  });

  it("ends with the level that the line really has, whatever the bounce", () => {
    fc.assert(
      fc.property(stamps, (times) => {
        const edges = times.map((at, index) => (index % 2 === 0 ? up(at) : down(at)));
        expect(run(edges).at(-1)?.rising).toBe(edges.at(-1)?.rising);
      }),
    );
  });

  it("never tells two edges of the same direction closer than the debounce time", () => {
    fc.assert(
      fc.property(stamps, (times) => {
        const told = run(times.map((at, index) => (index % 2 === 0 ? up(at) : down(at))));
        for (const rising of [true, false]) {
          const same = told.filter((edge) => edge.rising === rising);
          for (const [index, edge] of same.entries()) {
            const before = same[index - 1];
            if (before !== undefined) expect(edge.atNs - before.atNs).toBeGreaterThanOrEqual(DEBOUNCE_NS);
          }
        }
      }),
    );
  });

  it("keeps the order of time when the release of a held edge is late", () => {
    fc.assert(
      fc.property(stamps, (times) => {
        let state: BounceState = STILL;
        let lastNs = 0n;
        for (const [index, at] of times.entries()) {
          const step = offerEdge(state, index % 2 === 0 ? up(at) : down(at), DEBOUNCE_NS);
          state = step.state;
          for (const { atNs } of step.tell) {
            expect(atNs).toBeGreaterThanOrEqual(lastNs);
            lastNs = atNs;
          }
        }
      }),
    );
  });
});
