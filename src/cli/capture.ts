import { type FileHandle, open, rm } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { createHost } from "../adapters/host.ts";
import { durationText } from "../config/values.ts";
import { GOLDEN_HEADER } from "../driver-api/golden.ts";
import type { WatchHead, WatchLine } from "../runtime/watch-lines.ts";
import { type Command, EXIT, type Output, UsageError } from "./command.ts";
import { endWords, follow, WATCHING_OPTIONS, watchLength } from "./watching.ts";

const LENGTH = "2m";

export const capture: Command = {
  name: "capture",
  says: "record what the port of a sensor tells, as a file that can be replayed",
  takes: "SENSOR [FILE]",
  wordsMax: 2,
  options: {
    output: { type: "string", short: "o", value: "PATH", says: "the file to write; it must not be there yet" },
    for: { type: "string", value: LENGTH, says: `how long, from 1s to 1d (default ${LENGTH})` },
    ...WATCHING_OPTIONS,
  },
  example: "stoep capture air-1 -o street.txt --for 5m",
  more: [
    "Asks the node, which has the port open: the sensor goes on as before. The file is text in the golden grammar",
    "(src/driver-api/golden.md): stoep replay plays it, stoep golden makes a case of it. What could not be written in time is counted",
    "where it is missing. A recording of people holds what they did, raw: keep it in memory (/dev/shm), and delete it.",
  ].join("\n"),
  async run(typed, output) {
    const path = typed.text("output");
    if (path === null) throw new UsageError("-o PATH is missing");
    const forMs = watchLength(typed.text("for"), LENGTH);
    const file = new CaptureFile(path);
    try {
      // Before the node is asked: of people that is written down, and must not be in vain.
      await file.make();
      const followed = await follow(typed, output, {
        ...{ command: "capture", wants: "events", forMs },
        begin: async (head) => {
          await file.begin(head);
          await sayWhatItHolds(head, path, output);
        },
        line: (line) => file.line(line),
      });
      if ("failed" in followed) return followed.failed;
      const [says, code] = endWords(followed.because);
      await file.finish(says);
      output.err(`stoep capture: ${says}. ${file.summary}`);
      return code;
    } catch (error) {
      if (!(error instanceof CaptureFileError)) throw error;
      output.err(`stoep capture: ${error.message}. What to do: ${error.remedy}`);
      return EXIT.unavailable;
    } finally {
      await file.close();
    }
  },
};

async function sayWhatItHolds({ isOfPeople, channels, sensor, forMs }: WatchHead, path: string, { err }: Output): Promise<void> {
  err(`stoep capture: ${sensor} is recorded to ${path} for ${durationText(forMs)}; Ctrl-C ends it earlier`);
  if (!isOfPeople) return;
  const holdsWho = channels.some(({ sensitivity }) => sensitivity === "identifying");
  const what = holdsWho ? "what people did, and what tells them apart" : "what people did, one by one";
  err(`stoep capture: the file holds ${what}. It is yours to protect: delete it when you are done, and do not hand it on.`);
  const folder = await createHost().folder(dirname(resolve(path)));
  if (folder?.on !== "memory") err("stoep capture: it is on a disk, where deleted is not gone. /dev/shm is memory.");
}

/** The file could not be made or written. */
class CaptureFileError extends Error {
  readonly remedy: string;

  constructor(path: string, cause: NodeJS.ErrnoException) {
    super(cause.code === "EEXIST" ? `${path} is there already` : `${path}: ${cause.message}`, { cause });
    this.name = "CaptureFileError";
    this.remedy = cause.code === "EEXIST" ? "name another file, or delete that one" : "check the folder, its owner and its room";
  }
}

/** A capture that grows. Each line is with the kernel before the next is asked for: a disk that is slow makes the node leave lines out. */
class CaptureFile {
  readonly #path: string;
  #handle: FileHandle | null = null;
  #hasBegun = false;
  #events = 0;
  #bytes = 0;
  #missing = 0;
  #lostEdges = 0;

  constructor(path: string) {
    this.#path = path;
  }

  async make(): Promise<void> {
    try {
      // Nobody else's business, whatever it holds.
      this.#handle = await open(this.#path, "wx", 0o600);
    } catch (error) {
      throw new CaptureFileError(this.#path, error as NodeJS.ErrnoException);
    }
  }

  async begin(head: WatchHead): Promise<void> {
    this.#hasBegun = true;
    await this.#write(headerLines(head));
  }

  async line(line: WatchLine): Promise<void> {
    switch (line.is) {
      case "event":
        this.#events++;
        this.#bytes += line.byteCount;
        return await this.#write([line.line]);
      case "said":
        return await this.#write([`# > ${line.line}`]);
      case "gap":
        this.#missing += line.lines;
        return await this.#write([
          `# gap: ${line.lines} lines with ${line.byteCount} bytes are missing here; this was not written in time`,
        ]);
      case "lost":
        this.#lostEdges += line.edges;
        return await this.#write([`# lost: ${line.edges} edges before they reached the node`]);
      case "state":
        return await this.#write([`# state: ${line.state}${line.trouble === null ? "" : ` (${line.trouble})`}`]);
    }
  }

  async finish(says: string): Promise<void> {
    if (this.#handle === null) return;
    await this.#write([`# end: ${says}. ${this.summary}`]);
    await this.#handle.sync();
  }

  /** What is in it, and what is not. */
  get summary(): string {
    const gaps = [
      ...(this.#missing === 0 ? [] : [`${this.#missing} lines are missing, where it says so in the file`]),
      ...(this.#lostEdges === 0 ? [] : [`${this.#lostEdges} edges were lost before they reached the node`]),
    ];
    return `${this.#events} events, ${this.#bytes} bytes; ${gaps.length === 0 ? "nothing is missing" : gaps.join("; ")}`;
  }

  /** A file that nothing was told to is taken away again. */
  async close(): Promise<void> {
    if (this.#handle === null) return;
    await this.#handle.close();
    this.#handle = null;
    if (!this.#hasBegun) await rm(this.#path, { force: true });
  }

  async #write(lines: readonly string[]): Promise<void> {
    try {
      await this.#handle?.write(`${lines.join("\n")}\n`);
    } catch (error) {
      throw new CaptureFileError(this.#path, error as NodeJS.ErrnoException);
    }
  }
}

/** The beginning of a capture: what a replay has to know, and what a reader wants to. */
function headerLines({ at, node, version, sensor, driver, options, port, forMs, isOfPeople }: WatchHead): readonly string[] {
  const hasOptions = JSON.stringify(options ?? {}) !== "{}";
  return [
    GOLDEN_HEADER,
    ...(hasOptions ? [`# options ${JSON.stringify(options)}`] : []),
    `# captured: ${at}, for ${durationText(forMs)}, by stoep ${version}`,
    `# sensor: ${sensor} of ${node}, driver ${driver}@${version}, port ${port}`,
    ...(isOfPeople
      ? ["# PEOPLE: this is what people did in front of a sensor, raw. Delete it when it has served; do not hand it on."]
      : []),
    '# Comments that begin with ">" are what the driver said to the instrument.',
  ];
}
