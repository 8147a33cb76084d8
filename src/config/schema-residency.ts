import { z } from "zod";
import { countryMistake } from "../core/residency/countries.ts";
import { day, path, text } from "./values.ts";

const COUNTRIES_MAX = 60;

const countryWord = z
  .string()
  .refine((word) => countryMistake(word) === null, { error: ({ input }) => countryMistake(String(input)) ?? "" })
  .meta({ title: "EU, EEA or country" });
const countries = () =>
  z
    .array(countryWord)
    .min(1, "names no country: write EU, EEA or countries, such as [EU, EEA] or [NL]")
    .max(COUNTRIES_MAX)
    .meta({ title: "list of countries" });

const provider = z
  .strictObject({
    name: text().meta({ description: "Who runs the broker.", examples: ["Voorbeeld Hosting BV"] }),
    processing: countries().meta({ description: "Where it declares to process.", examples: [["EU"]] }),
    document: text().meta({ description: "In which document it declares that.", examples: ["processing agreement 2026-114, annex 2"] }),
    sha256: z
      .string()
      .regex(/^[0-9a-f]{64}$/, "must be 64 hex digits in lower case, as sha256sum prints them")
      .optional()
      .meta({
        title: "SHA-256",
        description: "Of that document, as it was signed.",
        examples: ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
      }),
    validUntil: day()
      .optional()
      .meta({ description: "Last day on which the declaration holds.", examples: ["2027-12-31"] }),
  })
  .meta({
    description: "What the provider of the broker declares. It is written into the evidence, and not checked.",
    examples: [{ name: "Voorbeeld Hosting BV", processing: ["EU"], document: "processing agreement 2026-114, annex 2" }],
  });

const databases = z.strictObject({
  location: path()
    .optional()
    .meta({ description: "IP address to country, MMDB.", examples: ["/var/lib/stoep-databases/country.mmdb"] }),
  operator: path()
    .optional()
    .meta({
      description: "IP address to the country of its network operator, MMDB.",
      examples: ["/var/lib/stoep-databases/asn-country.mmdb"],
    }),
});

/** `broker.residency`. A broker on this machine is not looked up. */
export const residencySchema = z.strictObject({
  mode: z
    .enum(["strict", "warn", "off"])
    .default("warn")
    .meta({
      title: "choice",
      description:
        "strict: nothing is sent to a place that is not proven. warn: it is sent, and status and evidence say so. off: not looked at.",
      examples: ["strict"],
    }),
  allow: countries()
    .default(["EU", "EEA"])
    .meta({ description: "Where the broker may be listed: EU, EEA or countries by their two capitals.", examples: [["EU", "EEA"]] }),
  operator: z
    .enum(["record", "require"])
    .default("record")
    .meta({
      title: "choice",
      description: "Whether the operator of the broker's network must be registered in those countries too, or is only written down.",
      examples: ["record"],
    }),
  private: z
    .enum(["declare", "refuse"])
    .default("declare")
    .meta({
      title: "choice",
      description: "Addresses in private networks (VPN): you declare where they lead, or they are refused.",
      examples: ["declare"],
    }),
  provider: provider.optional(),
  databases: databases.prefault({}).meta({ description: "Newer databases than those that come with Stoep.", examples: [{}] }),
});
