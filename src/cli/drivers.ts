import { listDrivers, loadDriver } from "../adapters/driver-loader.ts";
import { catalogueEntry, channelsCell } from "../driver-api/catalogue.ts";
import type { ChannelSpec, Driver } from "../driver-api/driver.ts";
import { type Command, EXIT, JSON_OPTION, table } from "./command.ts";
import { OWN_DRIVERS } from "./node-file.ts";

export const drivers: Command = {
  name: "drivers",
  says: "list the drivers that come with Stoep, or tell about one",
  takes: "[NAME]",
  wordsMax: 1,
  options: { json: JSON_OPTION },
  example: "stoep drivers sds011",
  async run(typed, output) {
    const all = await ownDrivers();
    const name = typed.words[0];
    if (name === undefined) {
      output.out(typed.flag("json") ? JSON.stringify(all.map(catalogueEntry), null, 2) : all.map(entryText).join("\n\n"));
      return EXIT.ok;
    }
    const driver = all.find((one) => one.name === name);
    if (driver === undefined) {
      output.err(`stoep drivers: there is no driver "${name}". stoep drivers lists them.`);
      return EXIT.usage;
    }
    const channels = channelsOf(driver);
    const { serial, unchecked } = driver;
    const facts = { ...catalogueEntry(driver), serial, unchecked, channels };
    output.out(typed.flag("json") ? JSON.stringify(facts, null, 2) : text(driver, channels));
    return EXIT.ok;
  },
};

async function ownDrivers(): Promise<readonly Driver[]> {
  const loaded = await Promise.all((await listDrivers(OWN_DRIVERS)).map((name) => loadDriver(name, [{ path: OWN_DRIVERS }])));
  return loaded.flatMap((one) => (one.ok ? [one.driver] : []));
}

/** The channels with default options; null when options must be given first. */
function channelsOf(driver: Driver): readonly ChannelSpec[] | null {
  const options = driver.options.safeParse({});
  return options.success ? driver.channels(options.data) : null;
}

/** One driver of the list, in the words of drivers/README.md. */
function entryText(driver: Driver): string {
  const entry = catalogueEntry(driver);
  const { name, port, summary, sensitivities, testedWith, link } = entry;
  const rows: [string, string][] = [
    ["Port", port],
    ["Channels and units", channelsCell(entry, (id) => id)],
    ["Sensitivity", sensitivities.join(", ")],
    ["Tested with", testedWith],
    ["More", `drivers/${link}`],
  ];
  return [`${name}: ${summary}`, ...table(rows)].join("\n");
}

function text(driver: Driver, channels: readonly ChannelSpec[] | null): string {
  const rows = (channels ?? []).map(({ name, quantity, unit, range, sensitivity }): [string, string] => [
    name,
    `${quantity}, ${range[0]} to ${range[1]} ${unit}, ${sensitivity}`,
  ]);
  const baud = driver.serial === undefined ? "" : `, ${driver.serial.baudRate} baud`;
  return [
    `${driver.name}: ${driver.summary}`,
    `Port: ${driver.port}${baud}`,
    `Tested with: ${catalogueEntry(driver).testedWith}`,
    ...(driver.unchecked === undefined ? [] : [`Frames without a checksum: ${driver.unchecked}`]),
    "",
    "Channels",
    ...(channels === null ? ["  depend on its options: see its README"] : table(rows)),
    "",
    `More: drivers/${driver.name}/README.md`,
  ].join("\n");
}
