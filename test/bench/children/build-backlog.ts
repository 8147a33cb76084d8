import { openOutbox } from "../../../src/adapters/sqlite/outbox.ts";
import { createSystemCrypto } from "../../../src/adapters/system-crypto.ts";
import type { EpochMs } from "../../../src/core/units/time.ts";
import { answer, inputOf } from "../child.ts";
import { summaryLike } from "../world/backlog.ts";

const { directory, rows } = inputOf<{ readonly directory: string; readonly rows: number }>();
const COMMIT_ROWS = 1_000;
const crypto = createSystemCrypto();
const outbox = await openOutbox({ directory, randomBytes: (count) => crypto.randomBytes(count) });
for (let seq = 0; seq < rows; ) {
  const batch = Array.from({ length: COMMIT_ROWS }, () => ({ message: summaryLike(++seq), seq }));
  await outbox.commit({ rows: batch, marks: new Map(), facts: new Map(), madeAt: Date.now() as EpochMs });
}
const { pendingRows, pendingBytes } = outbox.standing();
await outbox.close();
answer({ pendingRows, pendingBytes });
