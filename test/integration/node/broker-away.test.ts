import { it } from "vitest";
import { openLab } from "../../support/lab.ts";
import { surviveOutage } from "./broker-outage.ts";

it("loses nothing when the broker is killed and away for 15 s, nor when the node is killed with it", { timeout: 130_000 }, async () => {
  await surviveOutage(openLab(), 15_000);
});
