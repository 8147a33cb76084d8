import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe } from "vitest";
import { openLiveStore } from "../../src/adapters/sqlite/live-store.ts";
import { liveStoreContract } from "./live-store-contract.ts";

const directory = mkdtempSync(join(tmpdir(), "stoep-live-"));
afterAll(() => rmSync(directory, { recursive: true }));

let files = 0;
const bound = { instance: "0badcafe", bootId: "boot-1" };

describe("SQLite in a file", () => {
  liveStoreContract((bytesMax) => openLiveStore({ ...bound, bytesMax, path: join(directory, `live-${files++}.db`) }));
});

describe("SQLite in the memory of the process", () => {
  liveStoreContract((bytesMax) => openLiveStore({ ...bound, bytesMax, path: null }));
});
