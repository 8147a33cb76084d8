import { describe, expect, it } from "vitest";
import type { CoreDumps, Host, SwapArea } from "../../../src/ports/host.ts";
import { hasPeople, peopleProblems, withoutPeople } from "../../../src/runtime/people.ts";
import { channelPlan, nodePlan, PASSAGES, sensorPlan, streamPlan } from "../../support/plans.ts";

const hostOf = (swap: readonly SwapArea[] | null, coreDumps: CoreDumps): Host => ({
  folder: async () => null,
  swap: async () => swap,
  coreDumps: async () => coreDumps,
  machine: async () => null,
  residentBytes: () => 0,
  versions: async () => ({ node: "", kernel: "", architecture: "", system: null }),
});
const codes = async (host: Host): Promise<readonly string[]> => (await peopleProblems(host)).map(({ code }) => code);

describe("what keeps a machine from holding readings of people in memory only", () => {
  it("is nothing where nothing swaps to a disk and no core is dumped", async () => {
    expect(await codes(hostOf([], "off"))).toEqual([]);
    expect(await codes(hostOf([{ name: "/dev/zram0", on: "memory" }], "off"))).toEqual([]);
  });

  it.each([
    ["swap on a disk", [{ name: "/var/swap", on: "disk" }], "off", ["SWAP_ON_DISK"]],
    ["swap that cannot be looked at", null, "off", ["SWAP_UNKNOWN"]],
    ["core dumps", [], "possible", ["CORE_DUMPS"]],
    ["core dumps that cannot be looked at", [], "unknown", ["CORE_DUMPS_UNKNOWN"]],
    ["both, said at once", [{ name: "/var/swap", on: "disk" }], "possible", ["SWAP_ON_DISK", "CORE_DUMPS"]],
    ["both unknown, said at once", null, "unknown", ["SWAP_UNKNOWN", "CORE_DUMPS_UNKNOWN"]],
  ] as const)("is %s", async (_, swap, coreDumps, expected) => {
    expect(await codes(hostOf(swap, coreDumps))).toEqual(expected);
  });

  it("names every area, and says how to mend it", async () => {
    const swap: SwapArea[] = [
      { name: "/var/swap", on: "disk" },
      { name: "/dev/zram0", on: "memory" },
      { name: "/dev/sda2", on: "disk" },
    ];
    const [onDisk, dumps] = await peopleProblems(hostOf(swap, "possible"));
    expect(onDisk?.remedy).toContain("/var/swap and /dev/sda2");
    expect(onDisk?.remedy).not.toContain("zram0 ");
    expect(dumps?.remedy).toContain("LimitCORE=0");
  });
});

describe("a plan without people", () => {
  const gate = sensorPlan({ id: "gate-1", channels: [PASSAGES, channelPlan()], streams: [streamPlan(PASSAGES), streamPlan()] });

  it("withholds their streams and leaves the others", () => {
    const plan = nodePlan([gate]);
    expect(hasPeople(plan)).toBe(true);
    const kept = withoutPeople(plan);
    expect(kept.sensors[0]?.streams.map(({ policy }) => policy.is)).toEqual(["withheld", "open"]);
    expect(hasPeople(kept)).toBe(false);
  });

  it("keeps those behind whom nobody is", () => {
    const plan = nodePlan([{ ...gate, port: { is: "replay", file: "street.txt", speed: 1, repeat: false } }]);
    expect(hasPeople(plan)).toBe(false);
    expect(withoutPeople(plan)).toEqual(plan);
  });
});
