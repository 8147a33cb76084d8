import { SocketFileError } from "../adapters/socket-file.ts";
import { StoreError, type StoreErrorCode } from "../adapters/sqlite/database.ts";
import type { NodePlan } from "../config/plan.ts";
import { LiveStoreError } from "../ports/live-store.ts";
import { OutboxError } from "../ports/outbox.ts";
import { StartError } from "./start-error.ts";

/** No file can do anything about these: somebody else has the stores, or the program is older than they are. */
const NEVER_THE_FILE: ReadonlySet<StoreErrorCode> = new Set(["STORE_IN_USE", "STORE_ENGINE_OLD", "STORE_SCHEMA_NEWER"]);

/**
 * Whether a start may have failed for what the file says, so that `good` can do better. What stores and folders do is nobody's fault
 * where both files name the same ones. Where another node has the stores of `wanted`, it is this node, perhaps: there must not be two.
 */
export function mayBeTheFile(error: unknown, { storage: wanted }: NodePlan, { storage: good }: NodePlan): boolean {
  if (error instanceof StoreError && NEVER_THE_FILE.has(error.code)) return false;
  const isOfFolders = OF_FOLDERS.some((kind) => error instanceof kind);
  return !isOfFolders || wanted.directory !== good.directory || wanted.live !== good.live;
}

const OF_FOLDERS = [StartError, StoreError, OutboxError, LiveStoreError, SocketFileError];
