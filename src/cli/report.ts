import { writeFileSync } from "node:fs";
import { basename, dirname, resolve } from "node:path";
import { lastEvidence } from "../adapters/residency/evidence-reader.ts";
import type { NodePlan } from "../config/plan.ts";
import { formatProblem } from "../config/problem.ts";
import { dpia } from "../config/reports/dpia.ts";
import type { Origin } from "../config/reports/facts.ts";
import { notice } from "../config/reports/notice.ts";
import { processing, processingText } from "../config/reports/processing.ts";
import { register } from "../config/reports/register.ts";
import type { Language } from "../config/reports/words.ts";
import type { EvidenceRecord } from "../core/residency/evidence.ts";
import { type Arguments, type Command, DEFAULT_FILE, EXIT, JSON_OPTION, type Output, UsageError } from "./command.ts";
import { planFile } from "./node-file.ts";
import { qrSvg } from "./qr-code.ts";
import { softwareVersion } from "./version.ts";

const KINDS = ["dpia", "processing", "register", "notice"] as const;
type Kind = (typeof KINDS)[number];

export const report: Command = {
  name: "report",
  says: "write a document about the node, for an officer, a register or the street",
  takes: "--as KIND [FILE]",
  wordsMax: 1,
  options: {
    as: { type: "string", value: "KIND", says: `${KINDS.slice(0, -1).join(", ")} or ${KINDS.at(-1)}` },
    output: { type: "string", value: "PATH", says: "write it there, instead of on the terminal" },
    language: { type: "string", value: "LANG", says: "of processing: nl (default) or en" },
    json: { ...JSON_OPTION, says: "of processing: print JSON. A register is JSON anyway" },
  },
  example: "stoep report --as notice --output notice.html node.yaml",
  more: [
    "dpia        what the file says for a DPIA after the Dutch Rijksmodel 3.0; judgements are left blank. Markdown, in Dutch",
    "processing  the record of processing activities, article 30(1) of the GDPR; points b to g are drafted. Markdown",
    "register    entries for a sensor register, in the shapes of SensRNet and of Amsterdam. JSON",
    "notice      a notice for the street, in Dutch and in English, one page of A4 each. HTML to print",
    "",
    "Reads the file, and where the node was last connected to: no secret, no running node. Nothing is made up: what is not known is",
    "marked [in te vullen] or [to be filled in]. These are drafts for a person who knows the law; they are no legal advice.",
  ].join("\n"),
  async run(typed, output) {
    const kind = kindOf(typed);
    const language = languageOf(typed, kind);
    if (typed.flag("json") && (kind === "dpia" || kind === "notice")) throw new UsageError(`--json is for data; a ${kind} is a document`);
    const file = typed.words[0] ?? DEFAULT_FILE;
    const { plan, problems, rev } = await planFile(file);
    if (plan === null) {
      for (const problem of problems) output.err(formatProblem(problem));
      return EXIT.config;
    }
    const evidence = await evidenceIn(resolve(dirname(resolve(file)), plan.storage.directory));
    const origin = { file: basename(file), rev, version: softwareVersion(), evidence };
    return deliver(await written(kind, plan, origin, { language, json: typed.flag("json") }), typed.text("output"), output);
  },
};

function kindOf(typed: Arguments): Kind {
  const text = typed.text("as");
  const kind = KINDS.find((one) => one === text);
  if (kind !== undefined) return kind;
  throw new UsageError(text === null ? `--as is missing: ${KINDS.join(", ")}` : `--as must be ${KINDS.join(", ")}, got "${text}"`);
}

function languageOf(typed: Arguments, kind: Kind): Language {
  const text = typed.text("language");
  if (text === null) return "nl";
  if (text !== "nl" && text !== "en") throw new UsageError(`--language must be nl or en, got "${text}"`);
  if (kind !== "processing") throw new UsageError(`--language is for processing; a ${kind} comes in one form`);
  return text;
}

interface Form {
  readonly language: Language;
  readonly json: boolean;
}

async function written(kind: Kind, plan: NodePlan, origin: Origin, { language, json }: Form): Promise<string> {
  switch (kind) {
    case "dpia":
      return dpia(plan, origin);
    case "processing": {
      const entry = processing(plan, language, origin.evidence);
      return json ? `${JSON.stringify({ ...entry, origin: bare(origin) }, null, 2)}\n` : processingText(entry, origin, language);
    }
    case "register":
      return `${JSON.stringify({ ...register(plan), origin: bare(origin) }, null, 2)}\n`;
    case "notice": {
      const website = plan.node.owner?.website ?? null;
      return notice(plan, { origin, qrSvg: website === null ? null : await qrSvg(website) });
    }
  }
}

/** A document says what it took from the evidence; the record itself is for `stoep evidence`. */
const bare = ({ file, rev, version }: Origin): Origin => ({ file, rev, version });

/** Where the broker was when the node was last connected, if this is the machine of the node and may be read here. */
async function evidenceIn(directory: string): Promise<EvidenceRecord | null> {
  try {
    return await lastEvidence(directory);
  } catch {
    return null; // the country stays a blank
  }
}

function deliver(text: string, path: string | null, output: Output): number {
  if (path === null) {
    output.out(text);
    return EXIT.ok;
  }
  try {
    writeFileSync(path, text);
    output.out(`${path} written`);
    return EXIT.ok;
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? "unknown";
    output.err(
      `stoep report: ${path} cannot be written (${code}). What to do: name a file in a folder that is there and may be written to`,
    );
    return EXIT.unavailable;
  }
}
