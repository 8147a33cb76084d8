import { z } from "zod";
import type { Broker } from "../ports/broker.ts";
import type { Clock } from "../ports/clock.ts";
import type { Outbox } from "../ports/outbox.ts";
import type { Node } from "../runtime/node.ts";
import { type Prospect, prospectOf, type Retirement, retireNode } from "../runtime/retirement.ts";

const order = z.strictObject({ dryRun: z.boolean().default(false), drainMs: z.int().min(0).default(0) });

/** What of the world a node needs to leave its broker. */
export interface RetireWorld {
  readonly clock: Clock;
  readonly broker: Broker;
  readonly outbox: Outbox;
}

/** What `stoep retire` asks of a running node: `{ dryRun }` or `{ drainMs }`. */
export async function answerRetire(node: Node, world: RetireWorld, body: unknown): Promise<Prospect | Retirement> {
  const { dryRun, drainMs } = order.parse(body);
  return dryRun ? prospectOf(node.parting, world.outbox) : retireNode(node.parting, world, drainMs);
}
