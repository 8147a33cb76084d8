import { z } from "zod";
import type { Actions } from "../adapters/control-socket.ts";
import type { Broker } from "../ports/broker.ts";
import type { Clock } from "../ports/clock.ts";
import type { Outbox } from "../ports/outbox.ts";
import type { Node } from "../runtime/node.ts";
import { prospectOf, retireNode } from "../runtime/retirement.ts";

const order = z.strictObject({ dryRun: z.boolean().default(false), drainMs: z.int().min(0).default(0) });

/** What `stoep retire` asks of a running node. */
export function retireActions(node: Node, world: { readonly clock: Clock; readonly broker: Broker; readonly outbox: Outbox }): Actions {
  return {
    "/retire": async (body) => {
      const { dryRun, drainMs } = order.parse(body);
      return dryRun ? prospectOf(node.parting, world.outbox) : retireNode(node.parting, world, drainMs);
    },
  };
}
