import { describe, expect, it } from "vitest";
import { COUNTRY_GROUPS, countriesOf, countryMistake } from "../../../../src/core/residency/countries.ts";

const LETTERS = [..."ABCDEFGHIJKLMNOPQRSTUVWXYZ"];
const PAIRS = LETTERS.flatMap((first) => LETTERS.map((second) => first + second));

describe("a country", () => {
  it("is one of the 249 of ISO 3166-1, or Kosovo, and each has a name", () => {
    const names = new Intl.DisplayNames("en", { type: "region", fallback: "none" });
    const known = PAIRS.filter((pair) => countryMistake(pair) === null && !Object.hasOwn(COUNTRY_GROUPS, pair));
    expect(known).toHaveLength(250);
    expect(known.filter((pair) => names.of(pair) === undefined)).toEqual([]);
    for (const member of COUNTRY_GROUPS.EEA ?? []) expect(known).toContain(member);
  });

  it("is not what it is called elsewhere: the remedy says what it is here", () => {
    expect(countryMistake("UK")).toContain("GB");
    expect(countryMistake("EL")).toContain("GR");
  });

  it.each(["toString", "constructor", "__proto__", "hasOwnProperty", "", "nl", "EUR", "ZZ"])("is not %j", (word) => {
    expect(countryMistake(word)).toContain("two capitals");
  });

  it("stands for itself, a group for its members, and a word of the language for nothing else", () => {
    expect(countriesOf(["NL", "EU", "NL"])).toEqual(COUNTRY_GROUPS.EU);
    expect(countriesOf(["toString"])).toEqual(["toString"]);
  });
});
