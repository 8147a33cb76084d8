import { chmodSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";

/** Longest path of a Unix socket on Linux (unix(7): sun_path has 108 bytes with its end). */
const SOCKET_PATH_BYTES_MAX = 107;

/** No socket can be opened at a path. */
export class SocketFileError extends Error {
  readonly code: "SOCKET_PATH" | "SOCKET_OPEN";
  readonly remedy: string;

  constructor(code: SocketFileError["code"], message: string, remedy: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "SocketFileError";
    this.code = code;
    this.remedy = remedy;
  }
}

/**
 * Has a server listen on a Unix socket that only the node's own user may open. A socket that an earlier run left behind is replaced.
 * Rejects with `SocketFileError`.
 */
export async function listenOn(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > SOCKET_PATH_BYTES_MAX) {
    throw new SocketFileError("SOCKET_PATH", `${path} is too long for a Unix socket`, "shorten storage.live");
  }
  try {
    rmSync(path, { force: true });
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen(path, resolve);
    });
    chmodSync(path, 0o600);
  } catch (cause) {
    server.close();
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new SocketFileError("SOCKET_OPEN", `cannot listen on ${path}: ${why}`, "check the directory and its owner", { cause });
  }
}

/** Tries whether a socket could be opened at a path, and leaves none there. Rejects with `SocketFileError`. */
export async function assertSocketAt(path: string): Promise<void> {
  const server = createServer();
  await listenOn(server, path);
  await new Promise((closed) => server.close(closed));
}
