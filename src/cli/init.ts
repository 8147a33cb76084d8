import { readdirSync } from "node:fs";
import { hostname } from "node:os";
import { writeNewFile } from "../adapters/replace-file.ts";
import { type Command, DEFAULT_FILE, EXIT } from "./command.ts";

const BY_ID = "/dev/serial/by-id";

export const init: Command = {
  name: "init",
  says: "write a FILE to start from, with what can be found out here",
  takes: "[FILE]",
  wordsMax: 1,
  options: {},
  example: "stoep init node.yaml && stoep check node.yaml",
  more: "Asks nothing: the name of the machine, its time zone and its serial ports are looked up. A FILE that is there is never changed.",
  async run(typed, output) {
    const file = typed.words[0] ?? DEFAULT_FILE;
    const ports = serialPorts();
    try {
      writeNewFile(file, starterText({ host: hostname(), timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone, ports }));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      const remedy =
        code === "EEXIST" ? "it is there already and stays as it is: name another, or move it away" : "check who may write there";
      output.err(`stoep init: ${file} was not written (${code}). What to do: ${remedy}`);
      return EXIT.unavailable;
    }
    const found = ports.length === 0 ? "No serial adapter was found" : `${ports.length} serial adapters were found`;
    output.out(`${file} is written. ${found}. Next: edit it, then stoep check ${file}`);
    return EXIT.ok;
  },
};

function serialPorts(): readonly string[] {
  try {
    return readdirSync(BY_ID).sort();
  } catch {
    return []; // udev makes the folder with the first adapter
  }
}

/** What was found out about a machine. */
export interface Found {
  readonly host: string;
  readonly timeZone: string | undefined;
  /** Names in /dev/serial/by-id. */
  readonly ports: readonly string[];
}

/** A node file that `stoep check` takes as it is: with made-up readings, until a sensor that is there is switched on in it. */
export function starterText({ host, timeZone, ports }: Found): string {
  const id = host
    .toLowerCase()
    .replace(/[^a-z0-9_-]+/g, "-")
    .replace(/^[^a-z0-9]+/, "")
    .slice(0, ID_CHARS);
  const found = ports.map((port, index) => sensorText(port, index + 1)).join("");
  return `# A Stoep node file, begun by \`stoep init\`. Change it, then: stoep check, and stoep run (or systemctl start stoep).
# Every key is in config/reference.md, and with an example in config/node.example.yaml.
stoep: 1

node:
  id: ${JSON.stringify(id === "" ? "node-1" : id)} # of this machine; MQTT client id and part of every topic
  #name: Vondelstraat, lamp post 42
  #owner: { name: Gemeente Voorbeeld, contact: sensoren@voorbeeld.example }
  #purpose: what the node is for, in words for residents
  timeZone: ${timeZone ?? "UTC"} # of this machine

broker:
  url: mqtt://127.0.0.1:1883 # a broker on this machine; any other is mqtts://
  prefix: city/example # what every topic begins with

sensors:
  # Made-up readings, flagged "simulated", so that there is something to see. Take it out when a real sensor works.
  example-1:
    driver: simulator
    options: { channels: { pm25: { quantity: pm25, min: 0, max: 30 } } }
${found === "" ? NO_PORTS : `\n  # Found on this machine. Choose a driver for each (stoep drivers), then take the "#" away.\n${found}`}`;
}

/** MQTT 3.1.1 §3.1.3.1: every broker takes client ids up to here. */
const ID_CHARS = 23;
const NO_PORTS = `
  # No serial adapter was found. When one is plugged in, ls ${BY_ID} shows its name:
  #air-1:
  #  driver: sds011 # stoep drivers lists the others
  #  serial: { path: ${BY_ID}/NAME }
`;

const sensorText = (port: string, number: number): string => `  #sensor-${number}:
  #  driver: NAME
  #  serial: { path: ${JSON.stringify(`${BY_ID}/${port}`)} }
`;
