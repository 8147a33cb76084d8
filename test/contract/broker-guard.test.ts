import { FakeBrokerPort } from "../../src/testing/fake-broker-port.ts";
import { breathe, guardBefore } from "../support/guards.ts";
import { manualClock } from "../support/manual-clock.ts";
import { brokerContract } from "./broker-contract.ts";

const STEP_MS = 10;
const STEPS_MAX = 1_000;

brokerContract("behind the check of where it stands", async (mood) => {
  const clock = manualClock(0);
  const broker = new FakeBrokerPort({ clock });
  if (mood === "refusing") broker.onConnect = () => ({ is: "fail", cause: { is: "refused", reasonCode: 0x87 } });
  if (mood === "silent") broker.onConnect = () => ({ is: "ignore" });
  return {
    broker: guardBefore(broker, clock).guard,
    received: () => broker.received,
    until: async (done) => {
      for (let step = 0; !done(); step++) {
        if (step === STEPS_MAX) throw new Error(`not within ${STEPS_MAX * STEP_MS} virtual ms`);
        await breathe();
        clock.advance(STEP_MS);
      }
    },
    settle: async () => {
      await breathe();
      clock.advance(2_000);
      await breathe();
    },
    cut: async () => broker.closeAll(),
    stop: async () => {},
  };
});
