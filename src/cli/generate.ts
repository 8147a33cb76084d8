import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { listDrivers, loadDriver } from "../adapters/driver-loader.ts";
import { brokerAnswersMarkdown } from "../config/broker-answers.ts";
import { jsonSchemaText, referenceMarkdown } from "../config/generate.ts";
import { problemsMarkdown } from "../config/problems-page.ts";
import { renderCatalogue, renderDriverReadme } from "../driver-api/catalogue.ts";
import { OWN_DRIVERS } from "./node-file.ts";

// A tool for developers, not a command: `npm run generate` writes what is made from code, `--check` says what is out of date.

const ROOT = fileURLToPath(new URL("../../..", import.meta.url));

/** Every generated file, by its path in the project, with the text that it should have. */
async function generated(): Promise<ReadonlyMap<string, string>> {
  const files = new Map([
    ["config/node.schema.json", jsonSchemaText()],
    ["config/reference.md", referenceMarkdown()],
    ["config/broker-answers.md", brokerAnswersMarkdown()],
    ["config/problems.md", problemsMarkdown()],
  ]);
  const drivers = [];
  for (const name of await listDrivers(OWN_DRIVERS)) {
    const loaded = await loadDriver(name, [{ path: OWN_DRIVERS }]);
    if (!loaded.ok) throw new Error(`${loaded.problem.detail}. ${loaded.problem.remedy}`);
    drivers.push(loaded.driver);
    const readme = `drivers/${name}/README.md`;
    files.set(readme, renderDriverReadme(read(readme), loaded.driver));
  }
  files.set("drivers/README.md", renderCatalogue(read("drivers/README.md"), drivers));
  return files;
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

const isCheck = process.argv.includes("--check");
for (const [path, text] of await generated()) {
  if (read(path) === text) continue;
  if (isCheck) {
    process.stderr.write(`${path} is out of date: npm run generate\n`);
    process.exitCode = 1;
  } else {
    writeFileSync(join(ROOT, path), text);
    process.stdout.write(`${path} written\n`);
  }
}
