import { existsSync } from "node:fs";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { listDrivers } from "../adapters/driver-loader.ts";
import { ID_PATTERN } from "../core/units/ids.ts";
import { type Command, EXIT, UsageError } from "./command.ts";
import { makeFolders } from "./folders.ts";
import { driverPackage, TEMPLATE_PORTS, type TemplatePort } from "./new-driver-files.ts";
import { OWN_DRIVERS } from "./node-file.ts";

/** The folder that Stoep is in: a checkout, or an installed package. */
const ROOT = fileURLToPath(new URL("../../..", import.meta.url));
const SOURCES = join(ROOT, "drivers");
/** What describes the driver API to TypeScript; a build makes it. */
const TYPES = fileURLToPath(new URL("../driver-api/index.d.ts", import.meta.url));

const templateFolder = (port: TemplatePort): string => (port === "serial" ? "_template" : `_template-${port}`);

export const newDriver: Command = {
  name: "new-driver",
  says: "write a driver to begin with: it compiles, and its first case fails and says what to do",
  takes: "NAME",
  wordsMax: 1,
  options: {
    port: { type: "string", value: TEMPLATE_PORTS.join("|"), says: "what the instrument is connected to (default serial)" },
    dir: { type: "string", value: "DIR", says: "the folder to make it in (default: here; in a checkout of Stoep its drivers/)" },
  },
  example: "stoep new-driver my-sensor --port serial",
  more: [
    "In a checkout of Stoep it is TypeScript, as the drivers there are. Anywhere else it is one file of JavaScript that a node loads as it",
    "stands, with the types of the driver API for an editor: nothing is to be installed or built. stoep check-driver tries it.",
  ].join("\n"),
  async run(typed, output) {
    const [name] = typed.words;
    if (name === undefined) throw new UsageError("NAME is missing");
    if (!ID_PATTERN.test(name)) throw new UsageError(`a driver is named by a-z, 0-9, _ and -, at most 32 characters, got "${name}"`);
    const port = TEMPLATE_PORTS.find((one) => one === (typed.text("port") ?? "serial"));
    if (port === undefined) throw new UsageError(`--port must be ${TEMPLATE_PORTS.join(" or ")}, got "${typed.text("port")}"`);
    if ((await listDrivers(OWN_DRIVERS)).includes(name)) {
      throw new UsageError(`there is a driver "${name}" already (stoep drivers ${name}): a driver of that name would take its place`);
    }
    const isCheckout = existsSync(join(SOURCES, "_template", "driver.ts"));
    const dir = resolve(typed.text("dir") ?? (isCheckout && resolve(".") === resolve(ROOT) ? SOURCES : "."));
    const isOurs = isCheckout && dir === resolve(SOURCES);
    const template = isOurs ? join(SOURCES, templateFolder(port), "driver.ts") : join(OWN_DRIVERS, templateFolder(port), "driver.js");
    const folder = join(dir, name);
    const files = driverPackage({ name, port, form: isOurs ? "ours" : "alone", template: await readFile(template, "utf8"), types: TYPES });
    try {
      await makeFolders(dir, 0o777);
      await mkdir(folder);
      for (const sub of ["golden", "captures"]) await mkdir(join(folder, sub));
      for (const [path, text] of files) await writeFile(join(folder, path), text, { flag: "wx" });
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      output.err(`stoep new-driver: ${code === "EEXIST" ? `${folder} is there already: name another driver, or --dir` : message}`);
      return EXIT.unavailable;
    }
    const shown = relative(".", folder) || folder;
    output.out([...[...files.keys()].map((path) => `${join(shown, path)}`), "", `Next: ${join(shown, "README.md")}`].join("\n"));
    return EXIT.ok;
  },
};
