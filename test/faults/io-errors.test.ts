import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openOutbox } from "../../src/adapters/sqlite/outbox.ts";
import { compileForNode } from "../integration/support/compile.ts";
import { faultRow } from "../support/fault-table.ts";
import { noStrace, type Traced, traced } from "../support/syscalls.ts";

const COMMITS = 20;
/** Every call up to here, then every so many: a start makes about 20 of them. */
const EACH_UP_TO = 24;
const STRIDE = 7;
const root = mkdtempSync(join(tmpdir(), "stoep-io-"));
const compiled: { folder: string; file: string }[] = [];
const reason = noStrace();
let stores = 0;

beforeAll(() => void compiled.push(compileForNode(join(import.meta.dirname, "../integration/children/outbox-survivor.ts"))));
afterAll(() => {
  for (const folder of [root, ...compiled.map((child) => child.folder)]) rmSync(folder, { recursive: true, force: true });
});

/** The outbox at work, with the calls on its two files that `inject` names failing. */
function work(directory: string, syscall: string, inject: string): Traced & { readonly injected: number } {
  const files = ["node.db", "node.db-wal"].flatMap((name) => ["-P", join(directory, name)]);
  const options = [...files, "-e", `trace=${syscall}`, "-e", `inject=${syscall}:${inject}`];
  const run = traced(options, join(root, "log"), [compiled[0]?.file ?? "", directory, String(COMMITS)]);
  return { ...run, injected: run.trace.filter((line) => line.includes("(INJECTED)")).length };
}

interface Acked {
  readonly seq: number;
  readonly position: number;
  readonly instance: string;
  readonly run: number;
}

function ackedIn({ stdout }: Traced): Acked | null {
  const last = stdout.trim().split("\n").at(-1)?.split(" ") ?? [];
  if (last[0] !== "ACK") return null;
  return { seq: Number(last[1]), position: Number(last[3]), instance: last[4] ?? "", run: Number(last[5]) };
}

/** Opens what is left: what was told as written is there, each row is what was written, and the next one can be. */
async function expectWhole(directory: string, acked: Acked | null, isHonest = true): Promise<"whole" | "noticed"> {
  const witness = acked === null ? null : { instance: acked.instance, run: acked.run, position: acked.position };
  const outbox = await openOutbox({ directory, randomBytes, surroundings: { machine: null, witness, wallMs: 0 } });
  const { lastSeq } = outbox.standing();
  const rows = await outbox.read(0, 1_000);
  for (const { seq, message } of rows) expect(Buffer.from(message.payload).toString()).toBe(`payload of ${seq} `.repeat(20));
  const noticed = outbox.quarantined !== null || outbox.renewed !== null || outbox.standing().lost.length > 0;
  if (isHonest) expect([outbox.quarantined, outbox.standing().lost]).toEqual([null, []]);
  if (isHonest || !noticed) expect(lastSeq).toBeGreaterThanOrEqual(acked?.seq ?? 0);
  await outbox.close();
  return noticed ? "noticed" : "whole";
}

const FAULTS = [
  ["a sync that fails once", "fsync", "error=EIO:when=AT"],
  ["a sync that fails from then on", "fsync", "error=EIO:when=AT+"],
  ["a write without room, once", "pwrite64", "error=ENOSPC:when=AT"],
  ["a write without room, from then on", "pwrite64", "error=ENOSPC:when=AT+"],
  ["a write that fails once", "pwrite64", "error=EIO:when=AT"],
] as const;

describe("an error of the card", () => {
  it.for(FAULTS)(
    "%s, at any call: nothing that was told as written is lost, and the next start is well",
    async ([name, syscall, inject], context) => {
      context.skip(reason !== "", reason);
      const seen = { runs: 0, survived: 0, gaveUp: 0 };
      for (let at = 1; ; at += at < EACH_UP_TO ? 1 : STRIDE) {
        const directory = join(root, String(stores++));
        const run = work(directory, syscall, inject.replace("AT", String(at)));
        if (run.injected === 0) break;
        seen.runs++;
        // It went on, or ended with an error that has a name.
        if (run.code === 0) seen.survived++;
        else {
          expect(run.code, `${name} at call ${at}: ${run.stderr}`).toBe(3);
          expect(run.stderr).toMatch(/^OUTBOX_(IO|FULL): /);
          seen.gaveUp++;
        }
        await expectWhole(directory, ackedIn(run));
        // Compound: the same once more, while it starts from what that left.
        const second = work(directory, syscall, inject.replace("AT", String(1 + (at % 5))));
        await expectWhole(directory, ackedIn(second) ?? ackedIn(run));
        rmSync(directory, { recursive: true });
      }
      expect(seen.runs).toBeGreaterThan(20);
      if (inject.endsWith("AT")) expect(seen.survived).toBeGreaterThan(seen.runs / 2);
      else expect(seen.gaveUp).toBeGreaterThan(seen.runs / 2);
      faultRow({
        fault: `Card: ${name}`,
        injected: `strace, ${syscall} of node.db and its WAL, ${seen.runs} places, each once more while the next start recovers`,
        promised: "nothing acknowledged is lost or doubled; the outbox opens again, or ends with an error that has a name",
        measured: `${seen.runs * 2} runs, 0 summaries lost; ${seen.survived} went on, ${seen.gaveUp} ended with a named error`,
      });
    },
  );

  it("a write that the card calls done and does not do: what is lost is noticed by what live.db remembers", async (context) => {
    context.skip(reason !== "", reason);
    let noticed = 0;
    let whole = 0;
    for (let at = 10; at < 90; at += 4) {
      const directory = join(root, String(stores++));
      const run = work(directory, "pwrite64", `retval=4096:when=${at}`);
      if (run.injected === 0) break;
      if ((await expectWhole(directory, ackedIn(run), false)) === "noticed") noticed++;
      else whole++;
      rmSync(directory, { recursive: true });
    }
    expect(noticed + whole).toBeGreaterThan(5);
    faultRow({
      fault: "Card: a write that it calls done and does not do",
      injected: `strace, one pwrite64 swallowed, ${noticed + whole} places`,
      promised: "what is lost is noticed, never silent",
      measured: `${noticed} noticed (damage, or a store behind what live.db remembers), ${whole} lost nothing, 0 silent`,
    });
  });
});
