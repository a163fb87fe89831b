/**
 * Strategies on Istio, requests through a sidecar of the sandbox's mesh; and the provider `kubernetes`, which moves no
 * traffic: tests meet the canary at its own Service.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { REPOSITORY } from "../../src/demo/stage.ts";
import { appFiles, canaryFileOf } from "../support/app_files.ts";
import { ask } from "../support/ask.ts";
import { followRoute, within } from "../support/route_history.ts";
import { withStage } from "../support/stage.ts";
import {
  bumpAll,
  isCanary,
  logOf,
  lost,
  pinned,
  routeOf,
  shares,
  sharesHold,
  staysAfterFirst,
  type Tale,
  untilPromoted,
  versionsIn,
  workloadsIn,
} from "../support/tale.ts";

const provider = "istio";
const ROUTED = [
  { name: "linear", provider, analysis: { stepWeight: 40, maxWeight: 40, stepWeightPromotion: 20 } },
  { name: "mirrored", provider, analysis: { stepWeights: [60], mirror: true, mirrorWeight: 50 } },
  {
    name: "header",
    provider,
    analysis: { iterations: 2, match: [{ headers: { "x-insider": { regex: "^[a-m].*" } } }] },
  },
  { name: "colours", provider, analysis: { iterations: 2 } },
  { name: "sticky", provider, analysis: { stepWeights: [50], sessionAffinity: { cookieName: "to-canary" } } },
  { name: "frozen", provider, analysis: { stepWeights: [30, 60, 90], interval: "2s" } },
];
const PLAIN = { name: "plain", provider: "kubernetes", analysis: { iterations: 3 } };
const NAMES = [...ROUTED.map(({ name }) => name), PLAIN.name];

Deno.test("strategies on Istio and without a mesh", async (t) => {
  const sandbox = { scrapeMs: 300 };
  await withStage({ files: appFiles(...ROUTED, PLAIN), initialised: NAMES, sandbox }, async (stage) => {
    const url = stage.sandbox.mesh.meshUrl;
    const tale: Tale = new Map(NAMES.map((name) => {
      const users = name === "sticky" ? { users: 12 } : {};
      const load = stage.loadOn({ url, host: `${name}.demo`, ratePerSecond: 25, ...users });
      return [name, { load, route: followRoute(stage.sandbox, name) }];
    }));
    const insider = stage.loadOn({ url, host: "header.demo", ratePerSecond: 10, headers: { "x-insider": "alice" } });
    const testers = ["colours", "plain"].map((name) =>
      stage.loadOn({ url, host: `${name}-canary.demo`, ratePerSecond: 10 })
    );
    await bumpAll(stage, NAMES, "1.1.0");

    await t.step("a suspended rollout keeps its share, and goes on when it is let", async () => {
      const frozen = stage.of("frozen");
      await frozen.see("a share is on", ({ weight }) => weight === 30);
      const file = canaryFileOf("frozen");
      const text = await stage.sandbox.git.read(REPOSITORY, file) ?? "";
      await stage.sandbox.git.commit(REPOSITORY, { [file]: text.replace("spec:\n", "spec:\n  suspend: true\n") });
      const { weight } = await frozen.see(
        "suspended",
        ({ waitsFor }) => waitsFor?.startsWith("Suspended at weight") ?? false,
      );
      const before = shares(tale, "frozen");
      strictEqual(before.at(-1), String(weight));
      const since = Date.now();
      await frozen.see("checks would have been due", () => Date.now() > since + 4_500);
      deepStrictEqual(shares(tale, "frozen"), before);
      strictEqual(frozen.view()?.phase, "progressing");
      await stage.sandbox.git.commit(REPOSITORY, { [file]: text });
    });
    await untilPromoted(stage, tale, "1.1.0");
    for (const load of [insider, ...testers]) await load.stop();

    await t.step("no user ever lost a request", () => {
      for (const name of NAMES) deepStrictEqual(lost(logOf(tale, name)), [], name);
    });
    await t.step("stepWeight, and back by stepWeightPromotion", () => {
      deepStrictEqual(routeOf(tale, "linear").weights(), [0, 40, 20, 0]);
      sharesHold(tale, "linear");
    });
    await t.step("a mirror before the first step", () => {
      deepStrictEqual(shares(tale, "mirrored"), ["0", "0 mirrored", "60", "0"]);
      sharesHold(tale, "mirrored");
    });
    await t.step("only matching requests reach an A/B canary", () => {
      deepStrictEqual(workloadsIn(within(pinned(tale, "header"), insider.log)), ["canary"]);
    });
    await t.step("blue/green: nobody before the switch, everybody at it", () => {
      deepStrictEqual(shares(tale, "colours"), ["0", "100", "0"]);
      sharesHold(tale, "colours");
    });
    await t.step("session affinity: once there, always there; expired afterwards", async () => {
      deepStrictEqual(shares(tale, "sticky"), ["0", "50", "0"]);
      const [span] = routeOf(tale, "sticky").spans.filter(({ weight }) => weight === 50);
      ok(span !== undefined);
      const stays = staysAfterFirst(span, logOf(tale, "sticky"));
      ok(stays.size >= 4, `${stays.size} users met the canary`);
      for (const [user, log] of stays) ok(log.every(isCanary), `user ${user} was sent back`);
      const cookie = /to-canary=\w+/.exec(JSON.stringify(span.object.spec))?.[0] ?? "none";
      const answer = await ask(url, "sticky.demo", { cookie });
      match(answer.headers.get("set-cookie") ?? "", new RegExp(`^${cookie}; *Max-Age=-1`));
    });
    await t.step("provider kubernetes: users stay on the primary, tests meet the canary at its Service", () => {
      deepStrictEqual(workloadsIn(logOf(tale, "plain")), ["primary"]);
      const tested = testers[1]?.log.filter(({ status }) => status === 200) ?? [];
      deepStrictEqual(workloadsIn(tested), ["canary"]);
      deepStrictEqual(versionsIn(tested), ["1.1.0"]);
      const told = stage.of("plain").announced().filter(({ kind }) => kind === "advanced");
      deepStrictEqual(
        told.map(({ message }) => message),
        [1, 2, 3].map((at) => `Advance plain.demo canary iteration ${at}/3`),
      );
    });
  });
});
