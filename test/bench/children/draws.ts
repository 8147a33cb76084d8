import { createSystemCrypto } from "../../../src/adapters/system-crypto.ts";
import { BytePool } from "../../../src/core/anonymise/noise/byte-pool.ts";
import { PoolCoins } from "../../../src/core/anonymise/noise/coins.ts";
import { discreteLaplace } from "../../../src/core/anonymise/noise/discrete-laplace.ts";
import { fractionOf } from "../../../src/core/anonymise/noise/fraction.ts";
import { answer, inputOf } from "../child.ts";

export interface DrawsInput {
  readonly scales: readonly string[];
  readonly drawsPerRound: number;
  readonly rounds: number;
}

const { scales, drawsPerRound, rounds } = inputOf<DrawsInput>();
const coins = new PoolCoins(new BytePool(createSystemCrypto()));
const perSecond = scales.map(() => [] as number[]);
for (let round = 0; round <= rounds; round++) {
  for (const [index, scale] of scales.map(fractionOf).entries()) {
    const startedMs = performance.now();
    for (let draw = 0; draw < drawsPerRound; draw++) discreteLaplace(coins, scale);
    const rate = drawsPerRound / ((performance.now() - startedMs) / 1_000);
    if (round > 0) perSecond[index]?.push(rate); // the first one warms up
  }
}
answer({ perSecond });
