import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { loadDriver } from "../../../src/adapters/driver-loader.ts";
import type { RegisterRange } from "../../../src/core/framing/modbus-rtu.ts";
import type { BusEvent, Driver } from "../../../src/driver-api/driver.ts";
import { parseGolden } from "../../../src/driver-api/golden.ts";
import { type NamedText, Subject } from "../../../src/testing/driver-checks/evidence.ts";
import { playWithTimers, type Run, repeated } from "../../../src/testing/driver-checks/playback.ts";

const BUILT = fileURLToPath(new URL("../../../drivers", import.meta.url));
const SOURCE = fileURLToPath(new URL("../../../../drivers", import.meta.url));

/** Drivers that stand on a line; a simulator has none. */
export const LINE_DRIVERS: readonly string[] = readdirSync(SOURCE, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !entry.name.startsWith("_") && entry.name !== "simulator")
  .map(({ name }) => name)
  .sort();

/** A conversation as a session lives it: what the port tells, and the timers in between. */
export interface Lived {
  readonly driver: Driver;
  readonly options: unknown;
  readonly events: readonly BusEvent[];
  /** What it is made of: its longest capture, or the golden case in which the port tells most. */
  readonly file: string;
  readonly lengthMs: number;
  /** On a bus: what was asked for with the question that each reply answers. */
  readonly asked: ReadonlyMap<BusEvent, RegisterRange>;
}

function texts(driver: string, kind: "captures" | "golden"): NamedText[] {
  try {
    const folder = join(SOURCE, driver, kind);
    return readdirSync(folder).map((name) => ({ name: `${kind}/${name}`, text: readFileSync(join(folder, name), "utf8") }));
  } catch {
    return [];
  }
}

/** The conversation that the decoding of a driver is measured with. */
export async function livedConversation(name: string): Promise<Lived> {
  const loaded = await loadDriver(name, [{ path: BUILT }]);
  if (!loaded.ok) throw new Error(loaded.problem.detail);
  const { driver } = loaded;
  const captures = texts(name, "captures");
  const files = captures.length > 0 ? captures : texts(name, "golden");
  let best: Lived | null = null;
  for (const { name: file, text } of files) {
    const result = parseGolden(text);
    if (!result.ok) throw new Error(`${name}/${file} cannot be read`);
    const lived = live(driver, { name: file, file: result.file, options: driver.options.parse(result.file.options), channels: [] });
    if (best === null || heardIn(lived) > heardIn(best)) best = lived;
  }
  if (best === null) throw new Error(`${name} has no conversation`);
  return best;
}

/** How much the port tells in it. */
const heardIn = ({ events }: Lived): number => events.filter(({ type }) => type === "bytes" || type === "reply" || type === "edge").length;

function live(driver: Driver, conversation: Parameters<typeof repeated>[0]): Lived {
  const events: BusEvent[] = [];
  const listening: Driver = {
    ...driver,
    start(options) {
      const session = driver.start(options);
      return {
        handle(event, out) {
          events.push(event);
          session.handle(event, out);
        },
      };
    },
  };
  const told = repeated(conversation, 1);
  const { answers } = playWithTimers(new Subject(listening, conversation.options), told, 0);
  const { options, name: file } = conversation;
  return { driver, options, events, file, lengthMs: (events.at(-1)?.atMs ?? 0) + 1_000, asked: questionsOf(told, answers) };
}

function questionsOf(events: readonly BusEvent[], answers: Run["answers"]): ReadonlyMap<BusEvent, RegisterRange> {
  const open = new Map<string, RegisterRange>();
  const asked = new Map<BusEvent, RegisterRange>();
  for (const [index, event] of events.entries()) {
    const registers = event.type === "reply" ? open.get(event.tag) : undefined;
    if (registers !== undefined) asked.set(event, registers);
    for (const answer of answers[index] ?? [])
      if (answer.call === "request" && "registers" in answer.body) open.set(answer.tag, answer.body.registers);
  }
  return asked;
}
