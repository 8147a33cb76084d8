import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe } from "vitest";
import { openOutbox } from "../../src/adapters/sqlite/outbox.ts";
import { outboxContract } from "./outbox-contract.ts";

const directory = mkdtempSync(join(tmpdir(), "stoep-outbox-"));
afterAll(() => rmSync(directory, { recursive: true }));

let stores = 0;

describe("SQLite in a file", () => {
  outboxContract(() => openOutbox({ directory: join(directory, String(stores++)), randomBytes }), 10);
});

describe("SQLite in the memory of the process", () => {
  outboxContract(() => openOutbox({ directory: null, randomBytes }), 100);
});
