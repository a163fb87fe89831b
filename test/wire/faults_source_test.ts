/**
 * Repositories that break: a broken manifest, a Canary that contradicts itself, a deleted branch, an empty tree, a
 * moved path, a hundred Canaries gone in one commit. Nothing is handed back, nothing moves, the error names file and
 * line, and the other canaries go on.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { REPOSITORY } from "../../src/demo/stage.ts";
import type { Sandbox } from "../../src/sandbox/sandbox.ts";
import { appFiles, canaryFileOf, manifestOf, NAMESPACE } from "../support/app_files.ts";
import {
  bareGit,
  bump,
  closeGate,
  decisionsOf,
  deployment,
  type FaultStage,
  gated,
  holdAtHalf,
  openGate,
  promoted,
  replicasOf,
  rests,
  told,
  usersOf,
  weightOf,
  withFaults,
} from "../support/fault_stage.ts";
import type { HookReceiver } from "../support/hook_receiver.ts";
import { until } from "../support/until.ts";

/** What a canary's users depend on; a hand-back or a removal would change it. */
function serving(sandbox: Sandbox, name: string): readonly unknown[] {
  const service = sandbox.api.store.get({ apiVersion: "v1", kind: "Service", namespace: NAMESPACE, name });
  return [
    weightOf(sandbox, name),
    replicasOf(sandbox, name),
    deployment(sandbox, `${name}-primary`)?.metadata.generation,
    JSON.stringify(service?.spec),
  ];
}

/** Replaces a file's text as a person does; returns the commit. */
async function edit(sandbox: Sandbox, file: string, change: (text: string) => string | null): Promise<string> {
  const text = await sandbox.git.read(REPOSITORY, file) ?? "";
  return await sandbox.git.commit(REPOSITORY, { [file]: change(text) }, { message: `Edit ${file}` });
}

async function seen(stage: FaultStage, commit: string): Promise<void> {
  await until("the source has read the commit", () => stage.composed.agent.sources()[0]?.commit === commit);
}

const apps = (hooks: HookReceiver) => ["shop", "other"].map((name) => gated(name, hooks));

Deno.test("files that break, while idle and in the middle of a rollout", async (t) => {
  await withFaults({ apps }, async (stage) => {
    const { sandbox } = stage;
    const shop = stage.of("shop");
    const loads = [usersOf(stage, "shop"), usersOf(stage, "other")];
    const files = { canary: canaryFileOf("shop"), target: manifestOf("shop") };
    const before = serving(sandbox, "shop");
    const good = {
      canary: await sandbox.git.read(REPOSITORY, files.canary) ?? "",
      target: await sandbox.git.read(REPOSITORY, files.target) ?? "",
    };
    const breaks: readonly (readonly [string, keyof typeof files, (text: string) => string, RegExp])[] = [
      ["a manifest that is no YAML", "target", (text) => `${text}\n  : [`, /apps\/shop\/deployment\.yaml:\d+/],
      ["a Canary that is no YAML", "canary", (text) => `${text}\n\t- {`, /apps\/shop\/canary\.yaml:\d+/],
      [
        "a Canary that contradicts itself",
        "canary",
        (text) => text.replace("stepWeights:", "stepWeight: 10\n    stepWeights:"),
        /apps\/shop\/canary\.yaml:\d+.*stepWeight/,
      ],
      [
        "a field that is not known",
        "canary",
        (text) => text.replace("threshold: 3", "threshhold: 3"),
        /apps\/shop\/canary\.yaml:\d+: spec\.analysis\.threshold: "threshold" must be given/,
      ],
      [
        "a target that is gone",
        "target",
        () => "# nothing here\n",
        /apps\/shop\/canary\.yaml:\d+: spec\.targetRef: Deployment "demo\/shop" is not in Git/,
      ],
    ];
    for (const [index, [name, file, how, says]] of breaks.entries()) {
      await t.step(name, async () => {
        await seen(stage, await edit(sandbox, files[file], how));
        const view = await shop.see(
          "names file and line",
          ({ stalled, waitsFor, complaints }) =>
            says.test(`${stalled} ${waitsFor} ${JSON.stringify(complaints)}`) && says.test(`${stalled} ${waitsFor}`),
        );
        strictEqual(view.phase, "idle");
        const tag = `${index + 2}.0.0`;
        await bump(sandbox, tag, "other");
        await stage.of("other").see("goes on", promoted(tag));
        deepStrictEqual(serving(sandbox, "shop"), before);
      });
      await t.step(`${name}, mended`, async () => {
        await seen(stage, await edit(sandbox, files[file], () => good[file]));
        await shop.see("is well again", ({ stalled, waitsFor }) => stalled === null && waitsFor === null);
      });
    }
    await t.step("in the middle of a rollout: it goes on by the spec it began with, and says so", async () => {
      await holdAtHalf(stage, "2.0.0", "shop");
      await seen(stage, await edit(sandbox, files.canary, (text) => `${text}\n\t- {`));
      const checks = stage.hooks.on("/shop/check").length;
      await until("checks go on", () => stage.hooks.on("/shop/check").length > checks + 2);
      deepStrictEqual([shop.view()?.phase, weightOf(sandbox, "shop")], ["waiting-promotion", 50]);
      match(JSON.stringify(shop.view()?.complaints), /apps\/shop\/canary\.yaml","line":\d+/);
      await edit(sandbox, files.canary, () => good.canary);
      openGate(stage, "shop");
      await shop.see("promoted", promoted("2.0.0"));
    });
    for (const load of loads) {
      await load.stop();
      deepStrictEqual(load.log.filter(({ status }) => status !== 200), []);
    }
    deepStrictEqual(told(stage, "shop", "removed"), []);
  });
});

Deno.test("a deleted branch, an empty tree, a moved path: everything stays", async (t) => {
  const settings = "    paths: [apps]\n";
  await withFaults({ apps, settings }, async (stage) => {
    const { sandbox } = stage;
    const loads = [usersOf(stage, "shop"), usersOf(stage, "other")];
    await holdAtHalf(stage, "2.0.0", "other");
    const before = serving(sandbox, "shop");
    const tip = await sandbox.git.tip(REPOSITORY) ?? "";
    const stays = () => {
      deepStrictEqual(serving(sandbox, "shop"), before);
      deepStrictEqual([stage.of("other").view()?.phase, weightOf(sandbox, "other")], ["waiting-promotion", 50]);
      for (const name of ["shop", "other"]) deepStrictEqual(told(stage, name, "removed"), []);
    };
    await t.step("a deleted branch", async () => {
      await bareGit(sandbox, "update-ref", "-d", "refs/heads/main");
      await until("the source says so", () => /main/.test(stage.composed.agent.sources()[0]?.problem ?? ""));
      stays();
      await bareGit(sandbox, "update-ref", "refs/heads/main", tip);
      await until("it is back", () => stage.composed.agent.sources()[0]?.problem === null);
    });
    await t.step("an empty tree", async () => {
      const tree = (await bareGit(sandbox, "hash-object", "-w", "-t", "tree", "/dev/null")).trim();
      const commit = await committed(sandbox, tree, tip, "Remove everything");
      await seen(stage, commit);
      await settled(stage);
      stays();
      const view = await stage.of("shop").see("says so", ({ stalled }) => stalled !== null);
      match(view.stalled ?? "", /^apps\/shop\/canary\.yaml: Is not there any more, .*nothing is changed/);
    });
    await t.step("and back", async () => {
      const tree = (await bareGit(sandbox, "rev-parse", `${tip}^{tree}`)).trim();
      await seen(stage, await committed(sandbox, tree, await sandbox.git.tip(REPOSITORY) ?? "", "Bring it back"));
      await settled(stage);
      stays();
    });
    await t.step("a moved path", async () => {
      const { git } = stage.clone;
      await git("pull", "--quiet", "--ff-only");
      await git("mv", "apps", "applications");
      await git("-c", "user.name=Robin", "-c", "user.email=robin@example.com", "commit", "--quiet", "-m", "Move");
      await git("push", "--quiet", "origin", "HEAD:main");
      await seen(stage, (await git("rev-parse", "HEAD")).trim());
      await settled(stage);
      stays();
      await git("mv", "applications", "apps");
      await git("-c", "user.name=Robin", "-c", "user.email=robin@example.com", "commit", "--quiet", "-m", "Move back");
      await git("push", "--quiet", "origin", "HEAD:main");
    });
    await t.step("afterwards the rollout that was on its way is promoted", async () => {
      openGate(stage, "other");
      await stage.of("other").see("promoted", promoted("2.0.0"));
      await rests(sandbox, "other", "2.0.0");
      strictEqual((await decisionsOf(sandbox, "other")).filter((subject) => /^Promote/.test(subject)).length, 1);
    });
    for (const load of loads) {
      await load.stop();
      deepStrictEqual(load.log.filter(({ status }) => status !== 200), []);
    }
  });
});

/** Puts a tree on the branch, as a commit of somebody's. */
async function committed(sandbox: Sandbox, tree: string, parent: string, message: string): Promise<string> {
  const who = ["-c", "user.name=Robin", "-c", "user.email=robin@example.com"];
  const commit = (await bareGit(sandbox, ...who, "commit-tree", tree, "-p", parent, "-m", message)).trim();
  await bareGit(sandbox, "update-ref", "refs/heads/main", commit);
  return commit;
}

/** Waits for two more fetches: whatever the agent makes of the tip, it has had its turns. */
async function settled(stage: FaultStage): Promise<void> {
  const at = stage.composed.agent.sources()[0]?.fetchedAt ?? 0;
  await until("Git was fetched again", () => (stage.composed.agent.sources()[0]?.fetchedAt ?? 0) > at + 3_000);
}

Deno.test("a hundred Canaries gone in one commit: held until somebody confirms, and one that stays goes on", async (t) => {
  const gone = Array.from({ length: 100 }, (_, index) => `c${index}`);
  const all = (hooks: HookReceiver) => [...gone, "stays"].map((name) => gated(name, hooks));
  // Scraping a hundred pods ten times a second would be most of the work, and nobody asks for it.
  await withFaults({ apps: all, initialised: [], sandbox: { scrapeMs: 3_600_000 } }, async (stage) => {
    const { sandbox, composed } = stage;
    for (const name of [...gone, "stays"]) {
      await stage.of(name).see("initialised", ({ phase, last }) => phase === "idle" && last !== null, 120_000);
    }
    await until("all are at rest", () => gone.every((name) => replicasOf(sandbox, name) === 0));
    const before = gone.map((name) => serving(sandbox, name));
    const files = Object.fromEntries(gone.map((name) => [canaryFileOf(name), null]));
    await seen(stage, await sandbox.git.commit(REPOSITORY, files, { message: "A generator went wrong" }));
    await t.step("all of them say what to do", async () => {
      for (const name of gone) {
        const view = await stage.of(name).see("held", ({ waitsFor }) => waitsFor !== null);
        match(
          view.waitsFor ?? "",
          /Many canaries went from Git at once: run "serin confirm-removal" or bring them back/,
        );
      }
    });
    await t.step("nothing of theirs moves, and the one that stays is promoted", async () => {
      closeGate(stage, "stays");
      await bump(sandbox, "2.0.0", "stays");
      openGate(stage, "stays");
      await stage.of("stays").see("promoted", promoted("2.0.0"), 60_000);
      deepStrictEqual(gone.map((name) => serving(sandbox, name)), before);
    });
    await t.step("brought back, they go on as if nothing had been", async () => {
      await sandbox.git.commit(REPOSITORY, appFiles(...all(stage.hooks).filter(({ name }) => name !== "stays")), {
        message: "Bring them back",
      });
      for (const name of gone) await stage.of(name).see("goes on", ({ waitsFor }) => waitsFor === null, 60_000);
      deepStrictEqual(gone.map((name) => serving(sandbox, name)), before);
      const answer = await composed.agent.confirmRemoval("robin");
      ok(answer.type === "refused", "there is nothing to confirm");
    });
  });
});
