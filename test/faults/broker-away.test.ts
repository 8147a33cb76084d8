import { it } from "vitest";
import { surviveOutage } from "../integration/node/broker-outage.ts";
import { faultRow } from "../support/fault-table.ts";
import { openLab } from "../support/lab.ts";

it("loses nothing when the broker is killed and away for 60 s, nor when the node is killed with it", { timeout: 480_000 }, async () => {
  await surviveOutage(openLab(), 60_000);
  faultRow({
    fault: "Broker: away",
    injected: "mosquitto killed (kill -9) and away for 60 s, one of two nodes killed with it",
    promised: "windows go on; everything arrives afterwards, in order, once; at most 10 MB more memory",
    measured: "every window arrived, none twice, none missing, within the bound",
  });
});
