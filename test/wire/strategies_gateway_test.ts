/**
 * Strategies on the Gateway API, all at once on one stage: shares, pins, copies and cookies as clients and pods see
 * them, counted request by request.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { appFiles, hostOf } from "../support/app_files.ts";
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

const insiders = (headers: Readonly<Record<string, { readonly exact: string } | { readonly regex: string }>>) => ({
  iterations: 2,
  match: [{ headers }],
});

const APPS = [
  { name: "linear", analysis: { stepWeight: 30, maxWeight: 60, stepWeightPromotion: 30 } },
  { name: "mirrored", analysis: { stepWeights: [20, 80], mirror: true } },
  { name: "header", analysis: insiders({ "x-insider": { exact: "true" } }) },
  { name: "cookie", analysis: insiders({ cookie: { regex: "^(.*?;)?(canary=always)(;.*)?$" } }) },
  { name: "colours", analysis: { iterations: 2 } },
  { name: "shadow", analysis: { iterations: 2, mirror: true } },
  { name: "sticky", analysis: { stepWeights: [50], sessionAffinity: { cookieName: "flagger-cookie", maxAge: 3600 } } },
  { name: "quick", spec: { skipAnalysis: true }, analysis: { stepWeights: [50] } },
];
const NAMES = APPS.map(({ name }) => name);

Deno.test("strategies on the Gateway API", async (t) => {
  const sandbox = { scrapeMs: 300 };
  await withStage({ files: appFiles(...APPS), initialised: NAMES, sandbox }, async (stage) => {
    const tale: Tale = new Map(NAMES.map((name) => {
      const users = name === "sticky" ? { users: 12 } : {};
      const load = stage.loadOn({ host: hostOf(name), ratePerSecond: 25, ...users });
      return [name, { load, route: followRoute(stage.sandbox, name) }];
    }));
    const insider = stage.loadOn({ host: hostOf("header"), ratePerSecond: 10, headers: { "x-insider": "true" } });
    const outsider = stage.loadOn({ host: hostOf("header"), ratePerSecond: 10, headers: { "x-insider": "false" } });
    const cookied = stage.loadOn({
      host: hostOf("cookie"),
      ratePerSecond: 10,
      headers: { cookie: "canary=always; a=b" },
    });
    // What Flagger's load tester does during blue/green: tests go to the canary's own Service.
    const tester = stage.loadOn({ url: stage.sandbox.mesh.meshUrl, host: "colours-canary.demo", ratePerSecond: 10 });
    await bumpAll(stage, NAMES, "1.1.0");
    await untilPromoted(stage, tale, "1.1.0");
    for (const load of [insider, outsider, cookied, tester]) await load.stop();

    await t.step("no user ever lost a request", () => {
      for (const name of NAMES) deepStrictEqual(lost(logOf(tale, name)), [], name);
    });
    await t.step("stepWeight and maxWeight, and back by stepWeightPromotion", () => {
      deepStrictEqual(routeOf(tale, "linear").weights(), [0, 30, 60, 30, 0]);
      sharesHold(tale, "linear");
    });
    await t.step("stepWeights after a mirror before the first step", () => {
      deepStrictEqual(shares(tale, "mirrored"), ["0", "0 mirrored", "20", "80", "0"]);
      sharesHold(tale, "mirrored");
    });
    await t.step("only matching requests reach an A/B canary: by header", () => {
      const span = pinned(tale, "header");
      deepStrictEqual(workloadsIn(within(span, insider.log)), ["canary"]);
      deepStrictEqual(workloadsIn(within(span, outsider.log)), ["primary"]);
    });
    await t.step("only matching requests reach an A/B canary: by cookie", () => {
      deepStrictEqual(workloadsIn(within(pinned(tale, "cookie"), cookied.log)), ["canary"]);
    });
    await t.step("blue/green: nobody before the switch, everybody at it", () => {
      deepStrictEqual(shares(tale, "colours"), ["0", "100", "0"]);
      sharesHold(tale, "colours");
      ok(versionsIn(tester.log).includes("1.1.0"), "the tests met the canary");
    });
    await t.step("blue/green with a mirror: users are answered by the primary, the canary gets copies", () => {
      deepStrictEqual(shares(tale, "shadow"), ["0", "0 mirrored", "100", "0"]);
      sharesHold(tale, "shadow");
      // No share before the switch: what the canary was judged by were copies.
      const judged = stage.of("shadow").announced().filter(({ kind }) => kind === "check-failed");
      ok(judged.length < 3, judged.map(({ message }) => message).join("; "));
    });
    await t.step("a user who was once on the canary stays there", () => {
      deepStrictEqual(shares(tale, "sticky"), ["0", "50", "0"]);
      const [span] = routeOf(tale, "sticky").spans.filter(({ weight }) => weight === 50);
      ok(span !== undefined);
      const stays = staysAfterFirst(span, logOf(tale, "sticky"));
      ok(stays.size >= 4, `${stays.size} users met the canary`);
      for (const [user, log] of stays) ok(log.every(isCanary), `user ${user} was sent back`);
      ok([...stays.values()].flat().length > 8);
    });
    await t.step("after the promotion the cookie is expired in browsers", async () => {
      const [span] = routeOf(tale, "sticky").spans.filter(({ weight }) => weight === 50);
      const cookie = /flagger-cookie=\w+/.exec(JSON.stringify(span?.object.spec))?.[0] ?? "none";
      const answer = await ask(stage.sandbox.mesh.gatewayUrl, hostOf("sticky"), { cookie });
      match(answer.headers.get("set-cookie") ?? "", new RegExp(`^${cookie}; *Max-Age=-1`));
      const without = await ask(stage.sandbox.mesh.gatewayUrl, hostOf("sticky"), {});
      strictEqual(without.headers.get("set-cookie"), null);
    });
    await t.step("skipAnalysis moves no share", () => {
      deepStrictEqual(shares(tale, "quick"), ["0"]);
      strictEqual(stage.of("quick").view()?.last?.outcome, "skipped");
      deepStrictEqual(workloadsIn(logOf(tale, "quick")), ["primary"]);
    });
  });
});
