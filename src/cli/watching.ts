import { hostname, userInfo } from "node:os";
import { followControl } from "../adapters/control-follow.ts";
import { ControlError } from "../adapters/control-socket.ts";
import { durationText, parseDuration } from "../config/values.ts";
import { SECOND_MS } from "../core/units/time.ts";
import type { WatchHead, WatchLine } from "../runtime/watch-lines.ts";
import { PEOPLE_WATCH_MS_MAX, WATCH_MS_MAX, type WatchWants } from "../runtime/watches.ts";
import { type Arguments, DEFAULT_FILE, EXIT, type OptionSpec, type Output, UsageError } from "./command.ts";
import { socketOf } from "./socket-of.ts";
import type { WatchRefusal } from "./watch-actions.ts";

// What `stoep watch` and `stoep capture` have in common.

/** Their options. */
export const WATCHING_OPTIONS = {
  people: {
    type: "boolean",
    says: `for sensors of people: at most ${durationText(PEOPLE_WATCH_MS_MAX)}, written into the egress log, shown in the status`,
  },
  socket: { type: "string", value: "PATH", says: "socket of the node, instead of the one that FILE names" },
} as const satisfies Readonly<Record<string, OptionSpec>>;

/** Reads `--for`. Throws `UsageError`. */
export function watchLength(text: string | null, otherwise: string): number {
  const length = parseDuration(text ?? otherwise);
  if (length === null || length < SECOND_MS || length > WATCH_MS_MAX) {
    throw new UsageError(`--for must be from 1s to ${durationText(WATCH_MS_MAX)}, got "${text ?? otherwise}"`);
  }
  return length;
}

/** What is followed. */
export interface Following {
  readonly command: string;
  readonly wants: WatchWants;
  readonly forMs: number;
  /** Told the first line, before any other. Rejects to stop. */
  begin(head: WatchHead): Promise<void> | void;
  /** Told every line after that. */
  line(line: WatchLine): Promise<void> | void;
}

/** How it went: null when nothing was told, and why was said. */
export type Followed = { readonly because: Extract<WatchLine, { is: "end" }>["because"] } | { readonly failed: number };

/** Asks the node and passes on what it tells, until it is over or Ctrl-C. Says what went wrong. */
export async function follow(typed: Arguments, output: Output, following: Following): Promise<Followed> {
  const [sensor, file = DEFAULT_FILE] = typed.words;
  if (sensor === undefined) throw new UsageError("SENSOR is missing");
  const { command, wants, forMs } = following;
  const path = typed.text("socket") ?? socketOf(file);
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  process.once("SIGINT", stop);
  process.once("SIGTERM", stop);
  try {
    const body = { sensor, forMs, wants, people: typed.flag("people"), by: whoAsks() };
    for await (const line of followControl(path, "/watch", body, stopping.signal)) {
      const told = line as WatchLine | WatchRefusal;
      if (told.is === "refused") {
        output.err(`stoep ${command}: ${told.because}. What to do: ${told.remedy}`);
        return { failed: EXIT.badData };
      }
      if (told.is === "end") return { because: told.because };
      if (told.is === "head") await following.begin(told);
      else await following.line(told);
    }
    // Whoever is too slow is not told so: there was no room for it.
    return { because: stopping.signal.aborted ? "gone" : "slow" };
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    output.err(`stoep ${command}: ${error.message}. What to do: ${error.remedy}`);
    return { failed: EXIT.unavailable };
  } finally {
    process.off("SIGINT", stop);
    process.off("SIGTERM", stop);
  }
}

/** What became of it, in words, and the exit code. */
export function endWords(because: Extract<WatchLine, { is: "end" }>["because"]): readonly [says: string, code: number] {
  switch (because) {
    case "time":
      return ["the time is up", EXIT.ok];
    case "gone":
      return ["ended by hand", EXIT.ok];
    case "stopped":
      return ["the node was stopped", EXIT.unavailable];
    case "changed":
      return ["the sensor was changed in the node file, so that this watch was ended. What to do: ask again", EXIT.unavailable];
    case "slow":
      return ["nothing was read for too long, and the node went on without. What to do: ask again, on something faster", EXIT.unavailable];
  }
}

/** The user, as this machine calls him; behind sudo the one who typed it. */
function whoAsks(): string {
  const uid = process.getuid?.() ?? "unknown";
  const behind = process.env.SUDO_USER;
  return `${behind === undefined ? userName() : `${behind} by sudo`} (uid ${uid}) on ${hostname()}`;
}

/** Not every user has a name: in a container a number will do. */
function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return "somebody";
  }
}
