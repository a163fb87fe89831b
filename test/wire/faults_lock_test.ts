/**
 * The lock in Git deleted, edited, force-pushed away, or put back by a hand-made `git revert`: users stay on what they
 * are on, a revert of a promotion commit is a rollback, and everything else is put right or held with the difference.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { REPOSITORY } from "../../src/demo/stage.ts";
import { manifestOf } from "../support/app_files.ts";
import {
  bareGit,
  bump,
  closeGate,
  decisionsOf,
  type FaultStage,
  gated,
  holdAtHalf,
  openGate,
  promoted,
  rests,
  told,
  usersOf,
  withFaults,
} from "../support/fault_stage.ts";
import { isSound } from "../support/fsck.ts";
import { until } from "../support/until.ts";

const PERSON = ["-c", "user.name=Robin", "-c", "user.email=robin@example.com"];
const lockOf = (name: string) => `.serin/sandbox/demo/${name}/primary.yaml`;

async function commit(stage: FaultStage, files: Readonly<Record<string, string | null>>, message: string) {
  return await stage.sandbox.git.commit(REPOSITORY, files, { message });
}

/** Reverts the newest promotion of a canary with stock git, as a person does. */
async function revertPromotion(stage: FaultStage, name: string): Promise<void> {
  const { git } = stage.clone;
  await git("pull", "--quiet", "--ff-only");
  const found = await git("log", "--format=%H", "--max-count=1", `--grep=^Promote demo/${name} `);
  await git(...PERSON, "revert", "--no-edit", found.trim());
  await git("push", "--quiet", "origin", "HEAD:main");
}

Deno.test("locks that somebody touches", async (t) => {
  const names = ["gone", "edited", "broken", "undone", "midway"];
  await withFaults({ apps: (hooks) => names.map((name) => gated(name, hooks)) }, async (stage) => {
    const { sandbox } = stage;
    await bump(sandbox, "2.0.0", ...names);
    for (const name of names) await stage.of(name).see("promoted", promoted("2.0.0"));
    const loads = names.map((name) => usersOf(stage, name));

    await t.step("deleted: the remembered one is written again, and said", async () => {
      const before = await sandbox.git.read(REPOSITORY, lockOf("gone"));
      await commit(stage, { [lockOf("gone")]: null }, "Remove a strange file");
      await until("it is back", async () => await sandbox.git.read(REPOSITORY, lockOf("gone")) !== undefined);
      await stage.of("gone").see("idle", ({ phase }) => phase === "idle");
      strictEqual(releaseIn(await sandbox.git.read(REPOSITORY, lockOf("gone"))), releaseIn(before));
      match(
        told(stage, "gone", "stalled").join("\n"),
        /The lock is gone from Git: the remembered one is written again/,
      );
      await rests(sandbox, "gone", "2.0.0");
    });
    await t.step("edited: not applied, held with what to do, and well again when it is put back", async () => {
      const text = await sandbox.git.read(REPOSITORY, lockOf("edited")) ?? "";
      await commit(stage, { [lockOf("edited")]: text.replaceAll("edited:2.0.0", "edited:9.9.9") }, "Be clever");
      const view = await stage.of("edited").see("stalled", ({ stalled }) => stalled !== null);
      match(view.stalled ?? "", /The lock in Git was changed by someone else.*not applied/);
      await bump(sandbox, "3.0.0", "edited");
      await rests(sandbox, "edited", "2.0.0");
      await commit(stage, { [lockOf("edited")]: text }, "Put it back");
      await stage.of("edited").see("promoted", promoted("3.0.0"));
    });
    await t.step("no YAML any more: not applied, the file is named", async () => {
      const text = await sandbox.git.read(REPOSITORY, lockOf("broken")) ?? "";
      await commit(stage, { [lockOf("broken")]: "kind: [" }, "A bad merge");
      const view = await stage.of("broken").see("stalled", ({ stalled }) => stalled !== null);
      match(view.stalled ?? "", /The lock in Git cannot be read: /);
      await rests(sandbox, "broken", "2.0.0");
      await commit(stage, { [lockOf("broken")]: text }, "Put it back");
      await stage.of("broken").see("well again", ({ stalled }) => stalled === null);
    });
    await t.step("git revert of the promotion commit: that is the rollback, and the bump goes too", async () => {
      await revertPromotion(stage, "undone");
      await stage.of("undone").see(
        "rolled back",
        (view) => view.phase === "idle" && view.lockImages[0]?.endsWith(":1.0.0") === true,
      );
      await rests(sandbox, "undone", "1.0.0");
      match(await sandbox.git.read(REPOSITORY, manifestOf("undone")) ?? "", /undone:1\.0\.0/);
      match(
        told(stage, "undone", "rolling-back").join("\n"),
        /A person reverted the promotion commit: that is a rollback/,
      );
      match(await statusOf(stage, "undone"), /quarantine:/);
      await bump(sandbox, "2.0.0", "undone");
      const view = await stage.of("undone").see("stays away", ({ waitsFor }) => /quarantined/.test(waitsFor ?? ""));
      strictEqual(view.weight, 0);
    });
    await t.step(
      "git revert while the next release is under way: that one is analysed to its end, and promoted",
      async () => {
        await holdAtHalf(stage, "3.0.0", "midway");
        await revertPromotion(stage, "midway");
        openGate(stage, "midway");
        await stage.of("midway").see("promoted", promoted("3.0.0"));
        await rests(sandbox, "midway", "3.0.0");
        deepStrictEqual((await decisionsOf(sandbox, "midway")).slice(2), [
          'Revert "Promote demo/midway to midway:2.0.0"',
          "Promote demo/midway to midway:3.0.0",
        ]);
      },
    );
    for (const load of loads) {
      await load.stop();
      deepStrictEqual(load.log.filter(({ status }) => status !== 200), []);
    }
    await isSound(sandbox.git.path(REPOSITORY));
  });
});

/** The release that a lock is of, whoever wrote it last. */
function releaseIn(lock: string | undefined): string {
  return /revision: (\S+)/.exec(lock ?? "")?.[1] ?? "none";
}

async function statusOf(stage: FaultStage, name: string): Promise<string> {
  return await stage.sandbox.git.read(REPOSITORY, `.serin/sandbox/demo/${name}/status.yaml`) ?? "";
}

Deno.test("a branch that is force-pushed to before a promotion: users stay, the lock is written again", async () => {
  await withFaults({ apps: (hooks) => [gated("shop", hooks)] }, async (stage) => {
    const { sandbox } = stage;
    const shop = stage.of("shop");
    const load = usersOf(stage, "shop");
    const old = await sandbox.git.tip(REPOSITORY) ?? "";
    closeGate(stage, "shop");
    const bumped = await bump(sandbox, "2.0.0", "shop");
    openGate(stage, "shop");
    await shop.see("promoted", promoted("2.0.0"));

    // To the bump, without its promotion: the lock is an earlier one, so that reads as a person's rollback.
    await bareGit(sandbox, "update-ref", "refs/heads/main", bumped);
    await shop.see("rolled back", (view) => view.phase === "idle" && view.lockImages[0]?.endsWith(":1.0.0") === true);
    await rests(sandbox, "shop", "1.0.0");

    // To before there was any lock: users stay where they are, and the lock is written again.
    const initial = (await bareGit(sandbox, "rev-list", "--max-parents=0", "main")).trim();
    ok(initial !== old);
    await bareGit(sandbox, "update-ref", "refs/heads/main", initial);
    await until("the lock is back", async () => await sandbox.git.read(REPOSITORY, lockOf("shop")) !== undefined);
    await shop.see("idle", ({ phase }) => phase === "idle");
    await rests(sandbox, "shop", "1.0.0");
    match((await decisionsOf(sandbox, "shop")).join("\n"), /^(Restore|Write)/);
    await load.stop();
    deepStrictEqual(load.log.filter(({ status }) => status !== 200), []);
  });
});
