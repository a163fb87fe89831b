/**
 * A Git server that fails in the middle of a rollout, over real HTTP: what the user sees meanwhile, that users of the
 * application notice nothing, and that each decision lands exactly once.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { REPOSITORY } from "../../src/demo/stage.ts";
import type { GitFaults } from "../../src/sandbox/git/git_server.ts";
import { manifestOf } from "../support/app_files.ts";
import {
  bump,
  decisionsOf,
  type FaultStage,
  gated,
  holdAtHalf,
  openGate,
  promoted,
  replicasOf,
  rests,
  subjectsOf,
  tagOf,
  told,
  usersOf,
  weightOf,
  withFaults,
} from "../support/fault_stage.ts";
import { isSound } from "../support/fsck.ts";
import { until } from "../support/until.ts";

/** While nothing can be fetched: the same release for users, the source says what is wrong. */
const FETCHING: readonly { readonly name: string; readonly faults: GitFaults; readonly says: RegExp }[] = [
  { name: "answers 500", faults: { status: 500 }, says: /500/ },
  { name: "cuts the body", faults: { cutAfterBytes: 40 }, says: /cut|ended|closed|body/i },
  { name: "hangs", faults: { hang: true }, says: /no (answer|progress)|silent|within/i },
];

Deno.test("a Git server that fails while a release waits to be fetched", async (t) => {
  await withFaults({ apps: (hooks) => [gated("shop", hooks)] }, async (stage) => {
    const load = usersOf(stage, "shop");
    for (const [index, { name, faults, says }] of FETCHING.entries()) {
      await t.step(name, async () => {
        const [before, tag] = [`${index + 1}.0.0`, `${index + 2}.0.0`];
        stage.sandbox.git.faults.set(faults);
        await bump(stage.sandbox, tag, "shop");
        await until("the source is stale", () => stage.composed.agent.sources()[0]?.state === "stale");
        match(stage.composed.agent.sources()[0]?.problem ?? "", says);
        strictEqual(stage.view()?.phase ?? stage.of("shop").view()?.phase, "idle");
        await rests(stage.sandbox, "shop", before);
        stage.sandbox.git.faults.set({});
        await stage.of("shop").see("promoted", promoted(tag));
        strictEqual(stage.composed.agent.sources()[0]?.problem, null);
      });
    }
    await load.stop();
    deepStrictEqual(load.log.filter(({ status }) => status !== 200), []);
  });
});

/** While the promotion cannot be pushed: the rollout waits under checks, and says why. */
const PUSHING: readonly { readonly name: string; readonly faults: GitFaults; readonly says: RegExp | null }[] = [
  { name: "answers 500", faults: { status: 500 }, says: /500/ },
  { name: "cuts every body", faults: { cutAfterBytes: 40 }, says: /cut|ended|closed|body/i },
  { name: "cuts the answer to the push", faults: { only: "push", cutAfterBytes: 20 }, says: null },
  { name: "hangs", faults: { only: "push", hang: true }, says: /no (answer|progress)|silent|within/i },
  { name: "refuses for now", faults: { refusePush: "the branch is frozen until noon" }, says: /frozen until noon/ },
  { name: "takes the push and loses its answer", faults: { only: "push", loseAnswer: true }, says: null },
];

Deno.test("a Git server that fails while a promotion is pushed", async (t) => {
  await withFaults({ apps: (hooks) => [gated("shop", hooks)] }, async (stage) => {
    const load = usersOf(stage, "shop");
    for (const [index, row] of PUSHING.entries()) {
      await t.step(row.name, () => pushing(stage, { ...row, before: `${index + 1}.0.0`, tag: `${index + 2}.0.0` }));
    }
    await load.stop();
    deepStrictEqual(load.log.filter(({ status }) => status !== 200), []);
    await isSound(stage.sandbox.git.path(REPOSITORY));
  });
});

async function pushing(
  stage: FaultStage,
  row: (typeof PUSHING)[number] & { readonly before: string; readonly tag: string },
): Promise<void> {
  const { sandbox } = stage;
  const shop = stage.of("shop");
  await holdAtHalf(stage, row.tag, "shop");
  const heard = shop.announced().length;
  sandbox.git.faults.set(row.faults);
  openGate(stage, "shop");
  if (row.says !== null) {
    const { says } = row;
    const view = await shop.see(
      "waits for Git",
      ({ phase, waitsFor }) => phase === "pushing" && waitsFor !== null && says.test(waitsFor),
    );
    match(view.waitsFor ?? "", /^The promotion commit is not in Git yet: /);
    deepStrictEqual([weightOf(sandbox, "shop"), tagOf(sandbox, "shop-primary")], [50, row.before]);
    const checks = stage.hooks.on("/shop/check").length;
    await until("checks go on", () => stage.hooks.on("/shop/check").length > checks + 1);
    sandbox.git.faults.set({});
  }
  await shop.see("promoted", promoted(row.tag));
  sandbox.git.faults.set({});
  await rests(sandbox, "shop", row.tag);
  const promotions = (await decisionsOf(sandbox, "shop")).filter((subject) => subject.endsWith(`:${row.tag}`));
  deepStrictEqual(promotions, [`Promote demo/shop to shop:${row.tag}`]);
  const kinds = shop.announced().slice(heard).map(({ kind }) => kind).filter((kind) => kind !== "advanced");
  const pending = kinds.filter((kind) => kind === "git-pending").length;
  ok(row.says === null || pending >= 1, kinds.join(" "));
  deepStrictEqual(kinds.filter((kind) => kind !== "git-pending"), ["promoting", "succeeded"]);
}

Deno.test("a Git server that refuses the push for good", async (t) => {
  const settings = "promotionDeadline: 20s";
  await withFaults({ settings, apps: (hooks) => [gated("shop", hooks)] }, async (stage) => {
    const { sandbox } = stage;
    const shop = stage.of("shop");
    const load = usersOf(stage, "shop");
    await t.step("after the deadline the release is held: no revert, no quarantine, users on the old one", async () => {
      await holdAtHalf(stage, "2.0.0", "shop");
      const [tip, status] = [await sandbox.git.tip(REPOSITORY), await statusOf(stage)];
      sandbox.git.faults.set({ refusePush: "main is protected" });
      openGate(stage, "shop");
      // What it waits for is said by the turn after the one that held it.
      const view = await shop.see(
        "held",
        ({ phase, last, waitsFor }) => phase === "idle" && last?.outcome === "held" && waitsFor !== null,
      );
      match(view.waitsFor ?? "", /^Held: The promotion commit did not land in time: .*main is protected.*serin retry/);
      await rests(sandbox, "shop", "1.0.0");
      deepStrictEqual([await sandbox.git.tip(REPOSITORY), await statusOf(stage)], [tip, status]);
      strictEqual(told(stage, "shop", "held").length, 1);
    });
    await t.step("a held release does not start again by itself, and does on retry", async () => {
      sandbox.git.faults.set({});
      await until("Git was read again", () => stage.composed.agent.sources()[0]?.state === "fresh");
      strictEqual(shop.view()?.phase, "idle");
      strictEqual((await shop.command({ type: "retry" })).type, "done");
      await shop.see("promoted", promoted("2.0.0"));
      deepStrictEqual(await decisionsOf(sandbox, "shop"), [
        "Initialise demo/shop at shop:1.0.0",
        "Promote demo/shop to shop:2.0.0",
      ]);
    });
    await load.stop();
    deepStrictEqual(load.log.filter(({ status }) => status !== 200), []);
  });
});

function statusOf(stage: FaultStage): Promise<string | undefined> {
  return stage.sandbox.git.read(REPOSITORY, ".serin/sandbox/demo/shop/status.yaml");
}

Deno.test("a release that fails while Git is down: traffic goes back at once, the revert lands later, once", async () => {
  await withFaults({ apps: (hooks) => [gated("shop", hooks)] }, async (stage) => {
    const { sandbox, hooks } = stage;
    const shop = stage.of("shop");
    await holdAtHalf(stage, "2.0.0", "shop");
    sandbox.git.faults.set({ status: 503 });
    hooks.reply("/shop/check", { status: 500, body: "the shop does not sell" });
    const view = await shop.see(
      "reverting",
      ({ phase, waitsFor }) => phase === "reverting" && /not in Git yet/.test(waitsFor ?? ""),
    );
    match(view.waitsFor ?? "", /^The verdict is not in Git yet: .*503/);
    await rests(sandbox, "shop", "1.0.0");

    await stage.startAgent();
    await shop.see("goes on after a restart", ({ phase }) => phase === "reverting");
    deepStrictEqual([weightOf(sandbox, "shop"), replicasOf(sandbox, "shop")], [0, 0]);

    sandbox.git.faults.set({});
    await shop.see("reverted", ({ phase, last }) => phase === "idle" && last?.outcome === "failed");
    deepStrictEqual(await subjectsOf(sandbox), [
      "Initial commit",
      "Initialise demo/shop at shop:1.0.0",
      "Bump shop to 2.0.0",
      "Revert demo/shop to shop:1.0.0",
    ]);
    match(await sandbox.git.read(REPOSITORY, manifestOf("shop")) ?? "", /shop:1\.0\.0/);
    strictEqual(told(stage, "shop", "failed").length, 1);
    await rests(sandbox, "shop", "1.0.0");
  });
});

Deno.test("several promotions at once, while others push: each lands once, and nobody's commit is lost", async () => {
  const names = ["one", "two", "three", "four"];
  await withFaults({ apps: (hooks) => names.map((name) => gated(name, hooks)) }, async (stage) => {
    const { sandbox } = stage;
    await holdAtHalf(stage, "2.0.0", ...names);
    const writing = new AbortController();
    const writer = pushWithoutEnd(stage, writing.signal);
    openGate(stage, ...names);
    await Promise.all(names.map((name) => stage.of(name).see("promoted", promoted("2.0.0"))));
    writing.abort();
    const written = await writer;
    const subjects = await subjectsOf(sandbox);
    ok(written.length > 3, `${written.length} commits raced`);
    for (const message of written) ok(subjects.includes(message), message);
    for (const name of names) {
      deepStrictEqual((await decisionsOf(sandbox, name)).slice(1), [`Promote demo/${name} to ${name}:2.0.0`]);
      await rests(sandbox, name, "2.0.0");
    }
    await isSound(sandbox.git.path(REPOSITORY));
  });
});

/** A person with a clone who pushes one commit after the other, rebasing where the agent was faster. */
async function pushWithoutEnd(stage: FaultStage, signal: AbortSignal): Promise<readonly string[]> {
  const { git } = stage.clone;
  const person = ["-c", "user.name=Robin", "-c", "user.email=robin@example.com"];
  const written: string[] = [];
  while (!signal.aborted || written.length < 4) {
    const message = `Other work ${written.length}`;
    await git(...person, "commit", "--quiet", "--allow-empty", "--message", message);
    for (let tries = 0;; tries += 1) {
      const pushed = await git("push", "--quiet", "origin", "HEAD:main").then(() => true, () => false);
      if (pushed) break;
      if (tries > 100) throw new Error("The person never won a race for the branch");
      await git(...person, "pull", "--quiet", "--rebase");
    }
    written.push(message);
  }
  return written;
}
