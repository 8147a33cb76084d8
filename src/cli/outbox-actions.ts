import { z } from "zod";
import type { Node } from "../runtime/node.ts";

/** What a replay did: `fromSeq` is the first summary that is sent again; null when everything from there on waits anyway. */
export interface ReplayAnswer {
  readonly asked: number;
  readonly fromSeq: number | null;
  readonly lastSeq: number;
  readonly pending: number;
}

const order = z.strictObject({ from: z.int().positive() });

/** Answers `stoep outbox replay` in the running node. */
export async function answerReplay(node: Pick<Node, "replay" | "status">, body: unknown): Promise<ReplayAnswer> {
  const { from } = order.parse(body);
  const fromSeq = await node.replay(from);
  const { lastSeq, pending } = node.status().status.outbox;
  return { asked: from, fromSeq, lastSeq, pending };
}
