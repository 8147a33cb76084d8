import { type IncomingMessage, request } from "node:http";
import { askFailure, ControlError } from "./control-socket.ts";

/** A node may be at something that takes as long as a config is on trial before it begins to tell. */
const BEGIN_MS_MAX = 60_000;
/** Longest line that a node tells: 4 KiB of a port in hex, and what stands around it. */
const LINE_BYTES_MAX = 1_048_576;

/**
 * Asks the running node to tell lines, and gives them as they come: JSON objects, as the node wrote them. The node is read from only when
 * the next line is asked for, so that who is slow is known to be slow. Ends when the node ends it, or when `signal` is aborted, which the
 * node is told by the connection. Rejects with `ControlError`.
 */
export async function* followControl(path: string, route: string, body: object, signal: AbortSignal): AsyncGenerator<unknown, void> {
  const answer = await begun(path, route, body, signal);
  if (answer === null) return;
  let rest = "";
  try {
    for await (const part of answer.setEncoding("utf8") as AsyncIterable<string>) {
      const lines = (rest + part).split("\n");
      rest = lines.pop() ?? "";
      if (rest.length > LINE_BYTES_MAX) throw new Error("a line without an end");
      for (const line of lines) yield JSON.parse(line);
    }
    if (rest !== "") throw new Error(`${route}: half a line: ${rest.slice(0, 80)}`);
  } catch (cause) {
    if (signal.aborted) return;
    if (cause instanceof Error && "code" in cause && cause.code === "ECONNRESET") {
      throw new ControlError("NO_ANSWER", "the connection to the node broke off", "see whether it runs: stoep status", { cause });
    }
    throw askFailure(path, cause as Error);
  } finally {
    answer.destroy();
  }
}

/** Null: aborted before it began. */
function begun(path: string, route: string, body: object, signal: AbortSignal): Promise<IncomingMessage | null> {
  return new Promise((resolve, reject) => {
    const options = { socketPath: path, path: route, method: "POST", agent: false, signal } as const;
    const call = request(options, (answer) => {
      clearTimeout(timer);
      if (answer.statusCode === 200) return resolve(answer);
      let text = "";
      answer.setEncoding("utf8").on("data", (part: string) => {
        text += part;
      });
      answer.once("close", () => reject(askFailure(path, new Error(`${route}: ${text.trim()}`))));
    });
    const timer = setTimeout(() => call.destroy(new Error(`no answer within ${BEGIN_MS_MAX / 1_000} s`)), BEGIN_MS_MAX);
    call.on("error", (cause) => {
      clearTimeout(timer);
      if (signal.aborted) resolve(null);
      else reject(askFailure(path, cause));
    });
    call.end(JSON.stringify(body));
  });
}
