/** The one test over all shares: it lets chance be chance, and finds a share that is off. */
import { equal, match, ok, throws } from "node:assert/strict";
import { pooledShares } from "../e2e/pooled_shares.ts";
import { chiSquared, chiSquaredLimit, type Share } from "../e2e/shares.ts";

const share = (weight: number, answers: number, canary: number): Share => ({ of: "a suite", weight, answers, canary });

Deno.test("shares as they were reported pass, each split with one degree of freedom", () => {
  const left = [[share(10, 300, 28), share(0, 100, 0)], [share(60, 300, 185), share(100, 50, 50)]];
  equal(chiSquared(left.flat()).degrees, 2);
  match(pooledShares.check(left, true) ?? "", /^chi-squared 0\.\d+ with 2 degrees of freedom/);
});

Deno.test("a share that is off fails, and is named", () => {
  throws(
    () => pooledShares.check([[share(10, 1_000, 150), share(60, 300, 180)]], false),
    /a suite 10 %: 15\.0 % of 1000/,
  );
});

Deno.test("many shares that are a little off fail together, though none does alone", () => {
  const each = share(50, 400, 226);
  ok(chiSquared([each]).value < chiSquaredLimit(1));
  throws(() => pooledShares.check([Array.from({ length: 12 }, () => each)], false));
});

Deno.test("without any share only a whole run fails", () => {
  match(pooledShares.check([], false) ?? "", /no suite/);
  throws(() => pooledShares.check([], true), /no suite left a share/);
  throws(() => pooledShares.check([[{ weight: 10 }]], false), /Cannot read a share/);
});

Deno.test("the limit is that of the tables", () => {
  for (
    const [degrees, limit] of [[1, 10.83], [2, 13.82], [5, 20.52], [10, 29.59], [30, 59.7], [100, 149.45]] as const
  ) {
    const off = chiSquaredLimit(degrees) / limit - 1;
    ok(off > -0.001 && off < 0.035, `${degrees}: ${off}`);
  }
});
