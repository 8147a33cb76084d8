import { parentPort } from "node:worker_threads";
import { assert } from "../core/assert.ts";
import { simulateSeed } from "./simulation-pool.ts";

/** What a thread is told to do: one world. */
export interface Errand {
  readonly seed: number;
  readonly hours: number;
}

const port = parentPort;
assert(port !== null, "this file is run as a thread");
// A rejection is an error of the thread, and of the pool with it.
port.on("message", ({ seed, hours }: Errand) => void simulateSeed(seed, hours).then((report) => port.postMessage(report)));
