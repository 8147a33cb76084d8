import type { ServerResponse } from "node:http";

/** One JSON object a line. */
const LINES_TYPE = "application/x-ndjson";

/** Whoever reads a stream of lines over the control socket. */
export interface StreamReader {
  /** Bytes that were written and that are not with the kernel yet. */
  readonly waitingBytes: number;
  write(text: string): void;
  /** Nothing follows. At once: what waits is thrown away. */
  end(how: "after-what-waits" | "at-once"): void;
  /** Called once when the connection is gone, for whatever reason; at once when it is gone already. */
  onGone(told: () => void): void;
}

/** A connection that waits for its answer, as somebody to tell lines to. The first write begins the answer. */
export function streamReader(answer: ServerResponse): StreamReader {
  return {
    get waitingBytes() {
      return answer.writableLength;
    },
    write(text) {
      if (answer.destroyed || answer.writableEnded) return;
      if (!answer.headersSent) answer.writeHead(200, { "content-type": LINES_TYPE });
      answer.write(text);
    },
    end(how) {
      if (how === "at-once") answer.destroy();
      else answer.end();
    },
    onGone(told) {
      if (answer.destroyed) told();
      else answer.once("close", told);
    },
  };
}
