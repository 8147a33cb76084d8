import { explain as explainPlan, explanationText } from "../config/explain.ts";
import { formatProblem } from "../config/problem.ts";
import { type Command, DEFAULT_FILE, EXIT, JSON_OPTION, table } from "./command.ts";
import { planFile } from "./node-file.ts";

const STREAM = /^[a-z0-9][a-z0-9_-]*\.[a-z0-9][a-z0-9_-]*$/;

/** `stoep explain gate-1.passages node.yaml`, in either order: a stream has a dot and no slash, and is not the name of a file. */
function wordsOf(words: readonly string[]): { readonly stream: string | null; readonly file: string } {
  const stream = words.find((word) => STREAM.test(word) && !/\.ya?ml$/.test(word)) ?? null;
  return { stream, file: words.find((word) => word !== stream) ?? DEFAULT_FILE };
}

export const explain: Command = {
  name: "explain",
  says: "say what leaves, under which policy, and what it tells about people",
  takes: "[STREAM] [FILE]",
  wordsMax: 2,
  options: { json: JSON_OPTION },
  example: "stoep explain gate-1.passages node.yaml",
  more: "Reads the file only: no running node, no secret. Without STREAM it lists all of them.",
  async run(typed, output) {
    const { stream, file } = wordsOf(typed.words);
    const { plan, problems } = await planFile(file);
    if (plan === null) {
      for (const problem of problems) output.err(formatProblem(problem));
      return EXIT.config;
    }
    const found = explainPlan(plan, stream);
    if (found.length === 0) {
      const names = explainPlan(plan).map((one) => one.stream);
      output.err(`stoep explain: there is no stream "${stream}" in ${file}. There are: ${names.join(", ") || "none"}.`);
      return EXIT.usage;
    }
    if (typed.flag("json")) output.out(JSON.stringify(stream === null ? found : found[0], null, 2));
    else if (stream === null) {
      output.out(table(found.map((one) => [one.stream, one.claim.text])).join("\n"));
      output.out("\nstoep explain STREAM tells more of one.");
    } else output.out(found.map((one) => explanationText(one, plan.node.id)).join("\n"));
    return EXIT.ok;
  },
};
