import { statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { askControl, ControlError } from "../adapters/control-socket.ts";
import { StoreError, storeFault } from "../adapters/sqlite/database.ts";
import { lockDirectory } from "../adapters/sqlite/directory-lock.ts";
import { type NodeStore, openOutbox } from "../adapters/sqlite/outbox.ts";
import { type OutboxReader, openOutboxReader } from "../adapters/sqlite/outbox-reader.ts";
import { salvage } from "../adapters/sqlite/salvage.ts";
import { createSystemCrypto } from "../adapters/system-crypto.ts";
import { formatProblem } from "../config/problem.ts";
import { OutboxError } from "../ports/outbox.ts";
import { type Arguments, type Command, DEFAULT_FILE, EXIT, JSON_OPTION, type Output, UsageError } from "./command.ts";
import { controlPath, readNodeFile } from "./node-file.ts";
import type { ReplayAnswer } from "./outbox-actions.ts";
import { checkOf, checkText, printExport, printList, type Repaired, repairText, replayText } from "./outbox-text.ts";

const ACTIONS = ["check", "list", "export", "repair", "replay"] as const;
type Action = (typeof ACTIONS)[number];
/** A replay is one commit: a card may take a while for it. */
const REPLAY_MS_MAX = 30_000;

export const outbox: Command = {
  name: "outbox",
  says: "look into the queue of summaries, send them again, or repair it",
  takes: `${ACTIONS.join("|")} [FILE]`,
  wordsMax: 2,
  options: {
    from: { type: "string", value: "SEQ", says: "list, export: from this summary on; replay: send again from this summary on" },
    socket: { type: "string", value: "PATH", says: "socket of the node, instead of the one that FILE names" },
    json: JSON_OPTION,
  },
  example: "stoep outbox replay --from 40213",
  more: [
    "check   reads every row and its CRC, and the structure of node.db. Exits with 65 when something is wrong.",
    "list    a line for each message that is kept: what waits, and what was sent in the last 72 h.",
    "export  the same messages whole, a JSON object a line, payload as it is sent.",
    "repair  does at once, in a stopped node, what a start does: moves a damaged file aside, salvages what waits in it, reports",
    "        damaged rows as lost. Exits with 69 beside a node that runs.",
    "replay  sends again what the broker has acknowledged, from SEQ on, byte for byte under the same ids: a broker can lose what it",
    "        has acknowledged. Asks the node where it runs, and writes to node.db where it does not.",
    "",
    "check, list and export read node.db beside a node that runs, and write nothing.",
  ].join("\n"),
  async run(typed, output) {
    const [action, file = DEFAULT_FILE] = typed.words;
    if (!isAction(action)) throw new UsageError(`expects ${ACTIONS.join(", ")}, got "${action ?? ""}"`);
    const from = fromOf(typed, action);
    const { parsed, problems } = readNodeFile(file);
    const storage = parsed?.config?.storage;
    if (storage === undefined) {
      for (const problem of problems) output.err(formatProblem(problem));
      return EXIT.config;
    }
    const directory = resolve(dirname(resolve(file)), storage.directory);
    const live = storage.live === "memory" ? null : resolve(dirname(resolve(file)), storage.live);
    const bytesMax = storage.outbox.maxBytes;
    const place = { directory, bytesMax, socket: typed.text("socket") ?? controlPath(live) };
    try {
      return await act(action, place, { from, asJson: typed.flag("json") }, output);
    } catch (error) {
      return failed(error, directory, output);
    }
  },
};

const isAction = (word: string | undefined): word is Action => ACTIONS.some((action) => action === word);

/** The number of `--from`; 1 where it may be left out. */
function fromOf(typed: Arguments, action: Action): number {
  const text = typed.text("from");
  if (text === null && action !== "replay") return 1;
  if (text !== null && (action === "check" || action === "repair")) throw new UsageError(`${action} takes no --from`);
  if (text === null || !/^[1-9]\d{0,14}$/.test(text))
    throw new UsageError(`--from must be the number of a summary (seq), such as 40213, got "${text ?? ""}"`);
  return Number(text);
}

interface Place {
  readonly directory: string;
  /** Topic and payload bytes that may wait. */
  readonly bytesMax: number;
  readonly socket: string | null;
}

interface How {
  readonly from: number;
  readonly asJson: boolean;
}

async function act(action: Action, place: Place, how: How, output: Output): Promise<number> {
  switch (action) {
    case "check":
      return reading(place.directory, (reader) => {
        const report = checkOf(reader);
        output.out(how.asJson ? JSON.stringify(report, null, 2) : checkText(report));
        return report.isWhole ? EXIT.ok : EXIT.badData;
      });
    case "list":
      return reading(place.directory, (reader) => printList(reader, how, output));
    case "export":
      return reading(place.directory, (reader) => printExport(reader, how, output));
    case "repair": {
      const repaired = await stopped(place.directory, (store) => repair(place, store));
      output.out(how.asJson ? JSON.stringify(repaired, null, 2) : repairText(repaired));
      return EXIT.ok;
    }
    case "replay": {
      const answer = await replay(place, how.from);
      output.out(how.asJson ? JSON.stringify(answer, null, 2) : replayText(answer));
      return answer.fromSeq === null && how.from > answer.lastSeq ? EXIT.badData : EXIT.ok;
    }
  }
}

function reading(directory: string, work: (reader: OutboxReader) => number): number {
  const reader = openOutboxReader(directory);
  try {
    return work(reader);
  } finally {
    reader.close();
  }
}

/** Works on the store of a node that does not run, and keeps one from starting meanwhile. */
async function stopped<T>(directory: string, work: (store: NodeStore) => Promise<T>): Promise<T> {
  mustBeOwner(directory);
  const lock = lockDirectory(directory);
  try {
    const crypto = createSystemCrypto();
    const store = await openOutbox({ directory, randomBytes: (count) => crypto.randomBytes(count) });
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  } finally {
    lock.release();
  }
}

/** Files that root leaves beside node.db would keep the service out. */
function mustBeOwner(directory: string): void {
  const found = statSync(join(directory, "node.db"), { throwIfNoEntry: false });
  if (found === undefined) throw new StoreError("STORE_ABSENT", `there is no ${join(directory, "node.db")}`);
  if (found.uid !== process.getuid?.()) throw new StoreError("STORE_FOREIGN", `${directory} belongs to another user`);
}

async function repair({ directory, bytesMax }: Place, store: NodeStore): Promise<Repaired> {
  const breathe = () => new Promise<void>((done) => void setImmediate(done));
  const salvaged = await salvage(directory, store, { bytesMax, isPatient: true, goesOn: () => breathe().then(() => true) });
  let waiting = 0;
  // Reading on to the end is what finds damaged rows, and reports them.
  for (let position = 0; ; await breathe()) {
    const rows = await store.read(position, 500);
    const last = rows.at(-1);
    if (last === undefined) break;
    waiting += rows.length;
    position = last.position;
  }
  const { quarantined, repaired, instance } = store;
  const { lost, lostEarlier } = store.standing();
  return { instance, quarantined, salvaged, takenOut: repaired, waiting, lost, lostEarlier };
}

async function replay({ directory, socket }: Place, from: number): Promise<ReplayAnswer> {
  if (socket !== null) {
    try {
      return (await askControl(socket, "/outbox/replay", { body: { from }, timeoutMs: REPLAY_MS_MAX })) as ReplayAnswer;
    } catch (error) {
      if (!(error instanceof ControlError && error.code === "NOT_RUNNING")) throw error;
    }
  }
  return stopped(directory, async (store) => {
    const rewound = await store.rewind(from);
    const { lastSeq, pendingRows } = store.standing();
    return { asked: from, fromSeq: rewound?.seq ?? null, lastSeq, pending: pendingRows };
  });
}

function failed(error: unknown, directory: string, output: Output): number {
  const fault = storeFault(error, join(directory, "node.db"));
  const isOurs = error instanceof StoreError || error instanceof ControlError || error instanceof OutboxError;
  if (!isOurs && fault === null) throw error;
  const message = error instanceof Error ? error.message : String(error);
  output.err(`stoep outbox: ${message}. What to do: ${remedyOf(error, fault)}`);
  return fault === "damaged" ? EXIT.badData : EXIT.unavailable;
}

function remedyOf(error: unknown, fault: ReturnType<typeof storeFault>): string {
  if (error instanceof StoreError || error instanceof ControlError) return error.remedy;
  if (error instanceof OutboxError) return error.code === "OUTBOX_FULL" ? "make room on the disk" : "look at the card: dmesg";
  if (fault === "refused") return "ask as the user of the service: sudo -u stoep stoep outbox";
  return "stop the node and type stoep outbox repair: what is damaged is put aside, what waits is salvaged";
}
