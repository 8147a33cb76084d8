import { describe, expect, it } from "vitest";
import { judge, type Testimony, type TimeSource } from "../../../../src/core/machine/testimony.ts";

const [flag, kernel, chrony, gps, rtc] = (
  [
    ["timesyncd", "synced"],
    ["kernel", "synced"],
    ["chrony", "synced"],
    ["chrony", "gps"],
    ["rtc", "rtc"],
  ] as const
).map(([witness, says]): Testimony => ({ witness, says, errorMs: null })) as [Testimony, Testimony, Testimony, Testimony, Testimony];
const no = ({ witness }: Testimony): Testimony => ({ witness, says: "no", errorMs: null });

describe("judge", () => {
  it.each<[string, TimeSource, readonly Testimony[], string | null, number]>([
    ["nobody can be asked", "system", [], null, 0],
    ["one service vouches, and it is the only one", "system", [flag], "synced", 1],
    ["the kernel alone", "system", [kernel], "synced", 1],
    ["two agree", "system", [flag, kernel], "synced", 2],
    ["three agree, one of them a clock with a battery", "system", [chrony, kernel, rtc], "synced", 3],
    ["a receiver behind chrony", "system", [gps, kernel], "gps", 2],
    ["a clock with a battery alone, which the file does not believe", "system", [rtc], null, 0],
    ["an empty battery contradicts nobody", "system", [flag, kernel, no(rtc)], "synced", 2],
    ["a clock with a battery alone, which the file believes", "rtc", [rtc], "rtc", 1],
    ["it, where no network is", "rtc", [rtc, no(kernel)], "rtc", 1],
    ["it shows another time", "rtc", [no(rtc), no(kernel)], null, 0],
    ["the network is there as well", "rtc", [rtc, flag, kernel], "synced", 3],
    ["a network, where the file believes a receiver only", "gps", [chrony, kernel], null, 0],
    ["the receiver", "gps", [gps], "gps", 1],
    ["the operator, whatever others say", "operator", [no(flag)], "operator", 1],
  ])("%s", (_, source, testimonies, by, witnesses) => {
    expect(judge(source, testimonies)).toMatchObject({ by, witnesses, isContradicted: false });
  });

  it.each<[string, readonly Testimony[]]>([
    ["a flag of timesyncd, and a kernel whose clock was set by hand", [flag, no(kernel)]],
    ["chrony follows nothing, and the kernel does not know", [no(chrony), kernel]],
    ["a receiver, and a kernel whose clock was set by hand", [gps, no(kernel)]],
  ])("believes neither of two that disagree: %s", (_, testimonies) => {
    for (const source of ["system", "gps"] as const)
      expect(judge(source, testimonies)).toEqual({ by: null, witnesses: 0, isContradicted: true, errorMs: null });
  });

  it("tells the smallest error that a witness vouches for", () => {
    expect(judge("system", [flag, { ...chrony, errorMs: 7 }, { ...kernel, errorMs: 9 }]).errorMs).toBe(7);
    expect(judge("system", [flag]).errorMs).toBeNull();
  });
});
