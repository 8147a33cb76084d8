// What `stoep new-driver` writes: made of the templates in drivers/, which are compiled and checked like every driver.

/** The kinds of port that there is a template for. */
export const TEMPLATE_PORTS = ["serial", "gpio", "modbus", "file"] as const;
export type TemplatePort = (typeof TEMPLATE_PORTS)[number];

export interface PackageOptions {
  readonly name: string;
  readonly port: TemplatePort;
  /** `ours`: TypeScript in drivers/ of a checkout. `alone`: one file of JavaScript anywhere else. */
  readonly form: "ours" | "alone";
  /** The template's driver.ts, or its driver.js for a driver that stands alone. */
  readonly template: string;
  /** Declarations of the driver API, an absolute path. */
  readonly types: string;
}

/** The files of a new driver, by their path in its folder. */
export function driverPackage(options: PackageOptions): ReadonlyMap<string, string> {
  const { name, port, form, template, types } = options;
  if (form === "ours") {
    const readme = oursReadme(name);
    return new Map([
      ["driver.ts", renamed(withoutHead(template), name)],
      ["README.md", readme],
      ["golden/first-frame.txt", firstCase(port, "driver.ts")],
    ]);
  }
  return new Map([
    ["driver.mjs", standingAlone(template, name)],
    ["README.md", aloneReadme(name, port)],
    ["golden/first-frame.txt", firstCase(port, "driver.mjs")],
    ["tsconfig.json", typeConfig(types)],
  ]);
}

/** Without the first sentence, which says how to copy it. */
const withoutHead = (template: string): string => template.replace(/^\/\/ Copy this folder[\s\S]*?\n\/\/\n/, "");

/** How long the template may be silent, and what a driver that understands nothing yet must say instead. */
const RHYTHM = /\/\*\* [^\n]* \*\/\nconst EXPECT_WITHIN_MS = 3_000;/;
const LONG_RHYTHM = [
  "/** An hour, while the driver is written: a sensor that shows no life for longer has its port opened anew. Then by the manual. */",
  "const EXPECT_WITHIN_MS = 3_600_000;",
].join("\n");

/** Its class and its name are those of the new driver, and so is what it says about itself. */
function renamed(template: string, name: string): string {
  const pascal = name.replaceAll(/(?:^|[-_])([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  const className = /^\d/.test(pascal) ? `Driver${pascal}` : pascal;
  return template
    .replace(RHYTHM, LONG_RHYTHM)
    .replaceAll(/\bTemplate\b/g, className)
    .replace(/name: "_template[a-z-]*"/, `name: "${name}"`)
    .replace(/summary: "[^"]*"/, `summary: "${name}: say here in one sentence what it reads"`);
}

const TYPES = 'import("stoep/driver-api")';
/** The compiler's, twice what is usual here. */
const INDENT = /^(?: {4})+/gm;

/** Compiled code, as somebody would have written it: with types in comments, which an editor understands. */
function standingAlone(compiled: string, name: string): string {
  const code = withoutHead(compiled)
    .replace(/\/\/# sourceMappingURL=.*\n?/, "")
    .replaceAll(INDENT, (indent) => " ".repeat(indent.length / 2))
    .replace(
      /^( *)handle\(event, out\) \{/m,
      `$1/** @param {${TYPES}.BusEvent} event @param {${TYPES}.SessionSink} out */\n$1handle(event, out) {`,
    )
    .replace(/^const CHANNELS = \[/m, `/** @type {readonly ${TYPES}.ChannelSpec[]} */\n$&`)
    // The compiler takes empty lines away.
    .replaceAll(/^(?!\/\/)(.*)\n(?=\/\/ )/gm, "$1\n\n")
    .replace(/\n(?=\/\/ Every number)/, "\n\n")
    .replaceAll(/([^{\n])\n(?= {2}(?:\/\*\*|constructor))/g, "$1\n\n")
    .replace(
      /\/\*\* One sentence about the instrument\. \*\/\n/,
      `\n/**\n * One sentence about the instrument.\n * @type {(api: ${TYPES}.DriverApi) => ${TYPES}.Driver<any>}\n */\n`,
    );
  const head = [
    "// A driver for Stoep: one file, which a node loads as it stands. It imports nothing: what it needs it is given (`api`).",
    "// README.md beside it leads from here to a driver that is checked.",
    "//",
    "",
  ];
  return `${head.join("\n")}${renamed(code, name).trimEnd()}\n`;
}

/** What fails first, for each kind of port: an answer that nothing gives. */
const FIRST_EVENTS: Readonly<Record<TemplatePort, readonly string[]>> = {
  serial: [
    "+0ms open baud=9600",
    "> expect 1h",
    '+1s < "PUT HERE WHAT YOUR INSTRUMENT SENT\\r\\n"',
    "> reading temperature 21.5",
    "> reading humidity 48.2",
  ],
  gpio: ["+0ms open line=high", "> expect null", "+12s edge NAME-OF-YOUR-LINE falling", "> reading rainfall 0.2"],
  modbus: [
    "+0ms open",
    "> expect 31s",
    "> request temperature timeout=1s registers=input:0:1",
    "> timer ask 10s",
    '+40ms reply temperature "PUT HERE THE REGISTERS THAT IT ANSWERED"',
    "> reading temperature 21.5",
  ],
  file: [
    "+0ms open",
    "> expect 32s",
    "> request temperature timeout=2s file=temperature",
    "> timer ask 10s",
    '+40ms reply temperature "PUT HERE WHAT STOOD IN THE FILE"',
    "> reading temperature 21.5",
  ],
};

function firstCase(port: TemplatePort, file: string): string {
  return [
    "# stoep-golden 1",
    "# This case fails until you have done two things. First: put into it what your instrument sent, and below each event what that means,",
    "# by its manual, not by the driver. stoep capture records it, stoep golden writes it in this form. Then: make the code agree",
    `# (${file}). Name the file after what it shows, and say here which page of the manual it is from.`,
    ...FIRST_EVENTS[port],
    "",
  ].join("\n");
}

function oursReadme(name: string): string {
  return [
    `# ${name}`,
    "",
    "What the instrument is, how it is connected, which manual the driver follows, and what its users must know. The tables are generated:",
    `\`npm run generate\`. [The guide](../README.md) leads on; \`npm run build && stoep check-driver drivers/${name}\` tries it.`,
    "",
  ].join("\n");
}

function aloneReadme(name: string, port: TemplatePort): string {
  const recording =
    port === "serial"
      ? `sensors: { try-1: { driver: ${name}, serial: { path: /dev/serial/by-id/… } } }`
      : `sensors: { try-1: { driver: ${name}, … } }`;
  return [
    `# ${name}`,
    "",
    "What the instrument is, how it is connected, which manual the driver follows, and what its users must know: write it here.",
    "",
    "## From here to a driver",
    "",
    "1. Record what the instrument says. A node with this driver does it, whether the driver understands it or not:",
    "",
    "   ```yaml",
    `   driverPaths: [{ path: FOLDER-ABOVE-THIS-ONE }]`,
    `   ${recording}`,
    "   ```",
    "",
    `   \`stoep capture try-1 -o captures/street.txt --for 2m\``,
    "2. Make a case of its first frames, and hold every answer against the manual: the driver does not know better yet.",
    "",
    "   `stoep golden captures/street.txt --driver . --to 5s -o golden/first-frames.txt`; then delete `golden/first-frame.txt`.",
    "3. Change `driver.mjs` until nothing is found: `stoep check-driver .`",
    "4. See what a node would publish: `stoep replay captures/street.txt --driver .`",
    "5. Install it on a node, pinned: `sha256sum driver.mjs`, and in the node file",
    "",
    "   ```yaml",
    `   driverPaths: [{ path: /etc/stoep/drivers/${name}/driver.mjs, sha256: … }]`,
    "   ```",
    "",
    "`tsconfig.json` tells an editor (or `npx -p typescript tsc -p .`) where the types of the driver API are: those of the Stoep that",
    "wrote this. What a driver must keep, and the grammar of the files: drivers/README.md and src/driver-api/golden.md of Stoep.",
    "",
  ].join("\n");
}

const typeConfig = (types: string): string =>
  `${JSON.stringify(
    {
      compilerOptions: {
        ...{ target: "ES2022", lib: ["ES2023"], module: "NodeNext", moduleResolution: "NodeNext", types: [], skipLibCheck: true },
        ...{ allowJs: true, checkJs: true, noEmit: true, strict: false },
        paths: { "stoep/driver-api": [types] },
      },
      include: ["driver.mjs"],
    },
    null,
    2,
  )}\n`;
