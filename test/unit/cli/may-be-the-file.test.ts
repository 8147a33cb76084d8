import { expect, it } from "vitest";
import { StoreError } from "../../../src/adapters/sqlite/database.ts";
import { mayBeTheFile } from "../../../src/cli/may-be-the-file.ts";
import { StartError } from "../../../src/cli/start-error.ts";
import { OutboxError } from "../../../src/ports/outbox.ts";
import { nodePlan } from "../../support/plans.ts";

const stored = (directory: string, live: string) => {
  const plan = nodePlan([]);
  return { ...plan, storage: { ...plan.storage, directory, live } };
};
const HERE = stored("/here", "/run/here");

it.each([
  ["a folder", new StartError("cannot make it", "look")],
  ["no room", new OutboxError("OUTBOX_FULL")],
  ["a file system that cannot keep a store", new StoreError("STORE_SETTING", "no WAL")],
])("is the fault of the file where the other file has other folders: %s", (_, error) => {
  expect(mayBeTheFile(error, HERE, stored("/there", "/run/here"))).toBe(true);
  expect(mayBeTheFile(error, HERE, stored("/here", "/run/there"))).toBe(true);
  expect(mayBeTheFile(error, HERE, HERE)).toBe(false);
});

it("may be the fault of the file for reasons that nobody knows", () => {
  expect(mayBeTheFile(new Error("a bug"), HERE, HERE)).toBe(true);
});

it.each(["STORE_IN_USE", "STORE_SCHEMA_NEWER", "STORE_ENGINE_OLD"] as const)("is never the fault of the file: %s", (code) => {
  expect(mayBeTheFile(new StoreError(code, "no"), HERE, stored("/there", "/run/there"))).toBe(false);
});
