import { reasonCodeTable } from "../core/machine/reason-codes.ts";
import { table } from "./generate.ts";

const HEAD = `# What the broker answers

Generated from \`src/core/machine/reason-codes.ts\`, which the node decides by; do not edit. The log and \`stoep status\` give the name of a
code, and say what to do in the same words.

A message is answered by a PUBACK. A connection is refused by a CONNACK and ended by a DISCONNECT, or breaks without a word. A message
leaves the queue on a success only, and waits as long as \`storage.outbox\` says through everything else but the few codes that say: never.
Backoff begins at \`broker.spread\` (one second, to a broker on this machine), doubles up to 5 minutes, and has full jitter: any moment up
to its end is as likely as any other, so that a city does not come back in step. Codes that nobody knows are treated like
\`unspecified-error\`.
`;

/** `config/broker-answers.md`: every reason code, what becomes of the message and the connection, and what the operator does. */
export function brokerAnswersMarkdown(): string {
  return `${HEAD}\n${table([["Code", "It says", "The message", "The connection", "What to do"], ...reasonCodeTable()])}`;
}
