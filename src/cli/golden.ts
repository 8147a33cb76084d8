import { writeFile } from "node:fs/promises";
import { basename } from "node:path";
import { parseDuration } from "../driver-api/golden-text.ts";
import { DRIVER_OPTIONS, driverFor, isMistaken, optionsFor, readCapture } from "./capture-source.ts";
import { type Command, EXIT, UsageError } from "./command.ts";
import { goldenCase } from "./golden-case.ts";

export const golden: Command = {
  name: "golden",
  says: "make a golden case of a capture: what came in, and what the driver answers to it now",
  takes: "CAPTURE",
  wordsMax: 1,
  options: {
    ...DRIVER_OPTIONS,
    from: { type: "string", value: "10s", says: "leave out what came earlier, counted from the beginning of the capture" },
    to: { type: "string", value: "20s", says: "leave out what came later" },
    output: { type: "string", short: "o", value: "PATH", says: "the file to write, which must not be there yet; default: the terminal" },
  },
  example: "stoep golden street.txt --driver ./my-sensor --to 3s -o my-sensor/golden/first-frames.txt",
  more: [
    "The answers are those of the driver, right or wrong. A case is worth what somebody made of it who held each answer against the",
    "manual: that is what its first lines ask for.",
  ].join("\n"),
  async run(typed, output) {
    const [path] = typed.words;
    if (path === undefined) throw new UsageError("CAPTURE is missing");
    const [fromMs, toMs] = [timeOf("from", typed.text("from"), 0), timeOf("to", typed.text("to"), Number.POSITIVE_INFINITY)];
    if (fromMs > toMs) throw new UsageError("--from is after --to");
    const capture = await readCapture(path);
    const found = isMistaken(capture) ? capture : await driverFor(typed.text("driver"), capture);
    if (isMistaken(capture) || isMistaken(found)) {
      for (const mistake of isMistaken(found) ? found.mistakes : []) output.err(`stoep golden: ${mistake}`);
      return EXIT.badData;
    }
    const options = optionsFor(typed.text("options"), capture);
    const made = goldenCase({ name: basename(path), file: { ...capture.file, options }, driver: found.driver, fromMs, toMs });
    if (isMistaken(made)) {
      for (const mistake of made.mistakes) output.err(`stoep golden: ${mistake}`);
      return EXIT.badData;
    }
    const target = typed.text("output");
    if (target === null) output.out(made.text);
    else {
      try {
        await writeFile(target, made.text, { flag: "wx" });
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        output.err(`stoep golden: ${code === "EEXIST" ? `${target} is there already: name another file` : message}`);
        return EXIT.unavailable;
      }
      output.err(`stoep golden: ${target} has ${made.events} events and ${made.answers} answers. Hold each answer against the manual.`);
    }
    return EXIT.ok;
  },
};

function timeOf(name: string, text: string | null, otherwise: number): number {
  if (text === null) return otherwise;
  const time = parseDuration(text.replace(/^\+/, ""));
  if (time === null) throw new UsageError(`--${name} must be a time such as 10s, got "${text}"`);
  return time;
}
