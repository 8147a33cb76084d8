import { it } from "vitest";
import { surviveOutage } from "../integration/node/broker-outage.ts";
import { openLab } from "../support/lab.ts";

it("loses nothing when the broker is killed and away for 60 s, nor when the node is killed with it", { timeout: 240_000 }, async () => {
  await surviveOutage(openLab(), 60_000);
});
