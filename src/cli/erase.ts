import { accessSync, constants, existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { eraseFile, findStores, type StoreFile } from "../adapters/erase-stores.ts";
import { createHost } from "../adapters/host.ts";
import { StoreError } from "../adapters/sqlite/database.ts";
import { type DirectoryLock, lockDirectory } from "../adapters/sqlite/directory-lock.ts";
import { formatProblem } from "../config/problem.ts";
import { type Command, DEFAULT_FILE, EXIT, JSON_OPTION, type Output, table } from "./command.ts";
import { readNodeFile } from "./node-file.ts";

/** Where the stores of a node are. */
interface Folders {
  readonly directory: string;
  /** null: the memory of the process. */
  readonly live: string | null;
}

/** What became of a file. */
interface Outcome extends StoreFile {
  readonly state: "listed" | "erased" | "failed";
  readonly why?: string;
}

/** Something that this command cannot reach, and who can. */
interface NotReached {
  readonly what: string;
  readonly remedy: string;
}

interface Report {
  readonly files: readonly Outcome[];
  readonly leftAlone: readonly string[];
  readonly notReached: readonly NotReached[];
}

export const erase: Command = {
  name: "erase",
  says: "overwrite and delete what a stopped node has stored, and say what that does not reach",
  takes: "[FILE]",
  wordsMax: 1,
  options: { yes: { type: "boolean", says: "do it; without it the files are only listed" }, json: JSON_OPTION },
  example: "sudo systemctl stop stoep && sudo stoep erase --yes",
  more: [
    "Erases the readings of open windows (live.db), the summaries, the ledger and the egress log (node.db), the evidence with its key,",
    "the copy of FILE that last held (config.good.yaml), and stores that were put aside as damaged. Summaries that the broker does not",
    "have yet are lost. FILE, secrets and certificates stay. Exits with 64 when there is something to erase and --yes was not typed,",
    "and with 69 when the node runs or a file could not be erased.",
  ].join("\n"),
  async run(typed, output) {
    const folders = foldersOf(typed.words[0] ?? DEFAULT_FILE, output);
    if (folders === null) return EXIT.config;
    try {
      const lock = lockOf(folders);
      try {
        return await list(folders, { isMeant: typed.flag("yes"), asJson: typed.flag("json") }, output);
      } finally {
        lock?.release();
      }
    } catch (error) {
      const trouble = troubleOf(error);
      if (trouble === null) throw error;
      output.err(`stoep erase: ${trouble}`);
      return EXIT.unavailable;
    }
  },
};

function foldersOf(file: string, output: Output): Folders | null {
  const { parsed, problems } = readNodeFile(file);
  const storage = parsed?.config?.storage;
  if (storage === undefined) {
    for (const problem of problems) output.err(formatProblem(problem));
    return null;
  }
  const base = dirname(resolve(file));
  const { directory, live } = storage;
  return { directory: resolve(base, directory), live: live === "memory" ? null : resolve(base, live) };
}

/**
 * Holds the folder for as long as this command works in it: a node that starts meanwhile is refused. Where no node ever was there is no
 * lock, and none is made: it would be root's.
 */
function lockOf({ directory }: Folders): DirectoryLock | null {
  if (!existsSync(join(directory, "node.lock"))) return null;
  accessSync(directory, constants.R_OK | constants.W_OK | constants.X_OK);
  return lockDirectory(directory);
}

/** What to tell of an error that is no bug, or null. */
function troubleOf(error: unknown): string | null {
  if (error instanceof StoreError) return `${error.message}. What to do: ${error.remedy}`;
  const { code, path, message } = error as NodeJS.ErrnoException;
  const isOfSystem = code !== undefined && (path !== undefined || code.startsWith("SQLITE_"));
  if (!isOfSystem) return null;
  return `${path ?? message} cannot be used (${code}). What to do: run it as root or as the user of the service`;
}

interface How {
  readonly isMeant: boolean;
  readonly asJson: boolean;
}

async function list(folders: Folders, how: How, output: Output): Promise<number> {
  const { files, others } = await findStores(folders.directory, folders.live);
  const outcomes: Outcome[] = [];
  for (const file of files) outcomes.push(how.isMeant ? await erased(file) : { ...file, state: "listed" });
  const report: Report = { files: outcomes, leftAlone: others, notReached: await notReached(folders) };
  output.out(how.asJson ? JSON.stringify(report, null, 2) : text(report));
  if (outcomes.some(({ state }) => state === "failed")) return EXIT.unavailable;
  if (how.isMeant || files.length === 0) return EXIT.ok;
  output.err("stoep erase: nothing was erased. What to do: type stoep erase --yes, with the same FILE");
  return EXIT.usage;
}

async function erased(file: StoreFile): Promise<Outcome> {
  try {
    await eraseFile(file);
    return { ...file, state: "erased" };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return { ...file, state: "failed", why: code ?? message };
  }
}

/** What stays, in order of what it tells. */
async function notReached({ directory }: Folders): Promise<readonly NotReached[]> {
  const isMemory = existsSync(directory) && (await createHost().folder(directory))?.on === "memory";
  const card: NotReached = {
    what: "older copies of blocks, which flash and some file systems put elsewhere when a file is overwritten",
    remedy: "overwrite the card as a whole, or destroy it",
  };
  return [
    ...(isMemory ? [] : [card]),
    { what: "memory that processes and the kernel have given back", remedy: "switch the machine off" },
    { what: "what the broker received: summaries, and the retained status and meta", remedy: "delete it there" },
    { what: "copies and backups that somebody else made", remedy: "ask who made them" },
    { what: "the log, which has no readings", remedy: "journalctl --rotate && journalctl --vacuum-time=1s, which takes every unit's" },
    { what: "the node file, its secrets and its certificate", remedy: "revoke the certificate at the broker, then delete them" },
  ];
}

function text({ files, leftAlone, notReached: rest }: Report): string {
  const erasable = files.some(({ state }) => state === "listed") ? "To be erased" : "Erased";
  const rows = files.map(({ path, bytes, state, why }): [string, string] => [
    path,
    state === "failed" ? `NOT ERASED (${why})` : `${bytes} bytes`,
  ]);
  return [
    erasable,
    ...(rows.length === 0 ? ["  nothing: there is no store"] : table(rows)),
    ...(leftAlone.length === 0 ? [] : ["", "Left alone: no files of the stores", ...leftAlone.map((path) => `  ${path}`)]),
    "",
    "Not reached",
    ...table(rest.map(({ what, remedy }) => [`${what}:`, remedy])),
    "",
  ].join("\n");
}
