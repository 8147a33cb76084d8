import type { StreamReader } from "../adapters/control-stream.ts";
import { SECOND_MS } from "../core/units/time.ts";
import type { Clock } from "../ports/clock.ts";
import type { Node } from "../runtime/node.ts";
import { Watch } from "../runtime/watch.ts";
import { WATCH_MS_MAX, type WatchOrder, type WatchWants } from "../runtime/watches.ts";
import { softwareVersion } from "./version.ts";

/** What the node answers when it does not tell anything. */
export type WatchRefusal = { readonly is: "refused"; readonly because: string; readonly remedy: string };

/** Who asked stands in the egress log in the words of whoever asked: the socket's permissions decide who may, and name nobody. */
const BY_LENGTH_MAX = 64;
const NOT_IN_NAMES = /[^\w .,:=()@-]/g;

/** Begins what a document of the node's socket asks for, whoever wrote it. Null: the reader is being told. */
export async function answerWatch(node: Node, clock: Clock, asked: unknown, reader: StreamReader): Promise<WatchRefusal | null> {
  const order = orderOf(asked);
  if (typeof order === "string") return { is: "refused", because: order, remedy: "ask with stoep watch or stoep capture" };
  let isGone = false;
  reader.onGone(() => {
    isGone = true;
  });
  const answer = await node.watch(order, (grant) => {
    const watch = new Watch({ clock, time: node.time, node: node.id, version: softwareVersion() }, grant, reader);
    reader.onGone(() => watch.end("gone"));
    return watch;
  });
  if (answer.is === "watching" || isGone) return null;
  return answer;
}

const WANTS: readonly WatchWants[] = ["readings", "events"];

/** What is asked for, or why that cannot be told. */
function orderOf(asked: unknown): WatchOrder | string {
  const { sensor, forMs, wants, people, by } = (typeof asked === "object" && asked !== null ? asked : {}) as Readonly<
    Record<string, unknown>
  >;
  if (typeof sensor !== "string") return "no sensor is named";
  if (typeof forMs !== "number" || !(forMs >= SECOND_MS && forMs <= WATCH_MS_MAX)) return "no length from 1s to 1d";
  const wanted = WANTS.find((one) => one === wants);
  if (wanted === undefined) return `neither ${WANTS.join(" nor ")} are asked for`;
  const says = typeof by === "string" && by !== "" ? `, says to be ${by.replaceAll(NOT_IN_NAMES, "?").slice(0, BY_LENGTH_MAX)}` : "";
  return { sensor, forMs, wants: wanted, people: people === true, by: `local socket${says}` };
}
