import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countriesOf } from "../../src/core/residency/countries.ts";
import {
  type AddressFacts,
  addressKind,
  judgeResidency,
  type ResidencyFacts,
  type ResidencyPolicy,
} from "../../src/core/residency/verdict.ts";
import { DAY_MS, epochMs } from "../../src/core/units/time.ts";

type Judge = typeof judgeResidency;

const country = fc.constantFrom("DE", "FR", "NL", "NO", "US", "GB", "AU", null);
const address = fc.constantFrom(
  ..."116.203.1.1 51.68.1.1 2a01:4f8::1 10.1.2.3 fd00::1 127.0.0.1 ::1 0.0.0.0 203.0.113.1 1.1.1.1 141.101.64.1 2606:4700::1".split(" "),
);
const facts: fc.Arbitrary<ResidencyFacts> = fc.record({
  addresses: fc.array(fc.record({ address, location: country, operator: country }), { maxLength: 4 }),
  databases: fc.record({
    location: fc.constantFrom(epochMs(0), epochMs(200 * DAY_MS), null),
    operator: fc.constantFrom(epochMs(0), epochMs(200 * DAY_MS), null),
  }),
  now: fc.constantFrom(epochMs(210 * DAY_MS), epochMs(400 * DAY_MS), null),
});
const policy: fc.Arbitrary<ResidencyPolicy> = fc.record({
  mode: fc.constantFrom("strict" as const, "warn" as const, "off" as const),
  allow: fc.constantFrom(["EU"], ["EEA"], ["EU", "EEA"], ["US", "AU"]),
  operator: fc.constantFrom("record" as const, "require" as const),
  private: fc.constantFrom("declare" as const, "refuse" as const),
});

/** What may be connected to in strict mode, said without the reasons of the code. */
function isProven({ allow, operator: how, private: ofPrivate }: ResidencyPolicy, { addresses, databases }: ResidencyFacts): boolean {
  const kinds = new Set(addresses.map((each) => addressKind(each.address)));
  if (kinds.size !== 1) return false;
  if (kinds.has("loopback")) return true;
  if (kinds.has("private")) return ofPrivate === "declare";
  if (kinds.has("unusable") || databases.location === null) return false;
  if (how === "require" && databases.operator === null) return false;
  const inside = (where: string | null) => where !== null && countriesOf(allow).includes(where);
  return addresses.every(
    ({ address: text, location, operator }) =>
      !/^1\.1\.1|^141\.101|^2606:4700/.test(text) && inside(location) && (how === "record" || inside(operator)),
  );
}

const properties: Readonly<Record<string, (judge: Judge) => void>> = {
  "strict connects exactly where every address is proven": (judge) =>
    fc.assert(
      fc.property(policy, facts, (asked, given) => {
        expect(judge({ ...asked, mode: "strict" }, given).mayConnect).toBe(isProven(asked, given));
      }),
      { numRuns: 3_000 },
    ),
  "the age of a database never silences a node": (judge) =>
    fc.assert(
      fc.property(policy, facts, fc.constantFrom(epochMs(201 * DAY_MS), epochMs(9_999 * DAY_MS), null), (asked, given, now) => {
        expect(judge(asked, { ...given, now }).mayConnect).toBe(judge(asked, given).mayConnect);
      }),
    ),
  "an address more never opens what was closed": (judge) =>
    fc.assert(
      fc.property(policy, facts, fc.record({ address, location: country, operator: country }), (asked, given, more: AddressFacts) => {
        fc.pre(given.addresses.length > 0 && asked.mode === "strict");
        const wider = judge(asked, { ...given, addresses: [...given.addresses, more] });
        if (wider.mayConnect) expect(judge(asked, given).mayConnect).toBe(true);
      }),
      { numRuns: 3_000 },
    ),
  "1.1.1.1 is listed nowhere, whatever databases and config say": (judge) =>
    fc.assert(
      fc.property(policy, facts, country, country, (asked, given, location, operator) => {
        const cloudflare = { address: "1.1.1.1", location, operator };
        expect(judge(asked, { ...given, addresses: [...given.addresses, cloudflare] }).standing).not.toBe("listed");
      }),
    ),
  "warn connects wherever there is an address": (judge) =>
    fc.assert(
      fc.property(policy, facts, (asked, given) => {
        expect(judge({ ...asked, mode: "warn" }, given).mayConnect).toBe(given.addresses.length > 0);
      }),
    ),
};

/** Judges that are wrong in one way each. A property that no mutant breaks would prove nothing. */
const mutants: Readonly<Record<string, Judge>> = {
  "is content with one good address": (asked, given) => {
    const each = given.addresses.map((one) => judgeResidency(asked, { ...given, addresses: [one] }));
    return each.find(({ mayConnect }) => mayConnect) ?? judgeResidency(asked, given);
  },
  "trusts the database about anycast": (asked, given) =>
    judgeResidency(asked, {
      ...given,
      addresses: given.addresses.map((one) => (one.address === "1.1.1.1" ? { ...one, address: "116.203.1.1" } : one)),
    }),
  "takes silence for consent": (asked, given) => {
    const verdict = judgeResidency(asked, given);
    return verdict.standing === "unproven" && given.addresses.length > 0 ? { ...verdict, mayConnect: true } : verdict;
  },
  "refuses when a database is old": (asked, given) => {
    const verdict = judgeResidency(asked, given);
    return verdict.reasons.includes("database-old") ? { ...verdict, mayConnect: false } : verdict;
  },
  "calls a VPN Europe": (asked, given) => judgeResidency({ ...asked, private: "declare" }, given),
  "lets strict through": (asked, given) => ({ ...judgeResidency(asked, given), mayConnect: given.addresses.length > 0 }),
  "does not ask who operates the network": (asked, given) => judgeResidency({ ...asked, operator: "record" }, given),
  "blocks in warn": (asked, given) => judgeResidency({ ...asked, mode: "strict" }, given),
};

describe("where the broker stands", () => {
  it.each(Object.keys(properties))("%s", (name) => {
    properties[name]?.(judgeResidency);
  });

  it.each(Object.keys(mutants))("finds a judge that %s", (name) => {
    const mutant = mutants[name] as Judge;
    const broken = Object.keys(properties).filter((property) => {
      try {
        properties[property]?.(mutant);
        return false;
      } catch {
        return true;
      }
    });
    expect(broken).not.toEqual([]);
  });
});
