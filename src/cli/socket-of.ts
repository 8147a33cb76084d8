import { statSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { readGood } from "../adapters/good-file.ts";
import { placesOf } from "./good-config.ts";
import { controlPath, guessed, parseText, readNodeFile } from "./node-file.ts";

/** Socket of the node that a file describes; where there is none, of the file that is run in its place, or the usual one. */
export function socketOf(file: string): string {
  const read = readNodeFile(file);
  const told = read.parsed?.config?.storage.live ?? guessed(read.text, "live");
  const own = told === null ? null : socketIn(told, file);
  if (own !== null && isSocket(own)) return own;
  for (const directory of placesOf(file, read)) {
    const good = readGood(directory, resolve(file));
    const live = good === null ? null : parseText(good.text, file).parsed?.config?.storage.live;
    const instead = live == null ? null : socketIn(live, file);
    if (instead !== null && isSocket(instead)) return instead;
  }
  return own ?? USUAL_SOCKET;
}

const socketIn = (live: string, file: string): string | null => controlPath(live === "memory" ? live : resolve(dirname(file), live));

function isSocket(path: string): boolean {
  try {
    return statSync(path).isSocket();
  } catch {
    return false;
  }
}

const USUAL_SOCKET = "/run/stoep/stoep.sock";
