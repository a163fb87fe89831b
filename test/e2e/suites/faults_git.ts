/**
 * The lock in Git is deleted, edited or broken, or the whole branch put back to an older copy, while half of the traffic
 * is on a canary: users stay on what they are on, what was lost is written again, and an edit is held with what it changes.
 */
import { match, strictEqual } from "node:assert/strict";
import { machineClock } from "../../../adapters/platform/clock.ts";
import { REPOSITORY } from "../../../src/demo/stage.ts";
import { manifestOf } from "../../support/app_files.ts";
import { openGate } from "../../support/fault_stage.ts";
import { isSound } from "../../support/fsck.ts";
import { until } from "../../support/until.ts";
import {
  atHalf,
  bareGit,
  decisionsOf,
  each,
  ended,
  type FaultStage,
  holdAtHalf,
  nothingLost,
  openFaultStage,
  promotedTo,
  remembers,
  rests,
  tagOf,
  usersOf,
} from "../fault_stage.ts";
import { NAMESPACE } from "../../support/app_files.ts";
import type { Checks, Suite } from "../suite.ts";

const GIT_APPS = ["gone", "gone-bad", "edited", "broken", "older"] as const;

export const faultsGit: Suite = {
  name: "faults-git",
  about: "the lock deleted, edited, broken, and the branch put back to an older copy, in the middle of a rollout",
  servers: ["etcd", "kubernetes", "contour", "envoy", "prometheus"],
  tier: "all",
  async run(run) {
    const { checks } = run;
    const stage = await openFaultStage(run, GIT_APPS);
    const loads = GIT_APPS.map((app) => usersOf(stage, app));
    try {
      await holdAtHalf(stage, "2.0.0", ...GIT_APPS);
      await lockDeleted(stage, checks, "gone");
      await lockDeletedThenFailed(stage, checks, "gone-bad");
      await lockEdited(stage, checks, "edited");
      await lockBroken(stage, checks, "broken");
      await olderCopy(stage, checks, "older");
      await checks.check("no request was lost whatever became of locks", () => nothingLost(loads));
    } finally {
      await stage.close();
    }
  },
};

const lockFile = (app: string) => `.serin/e2e/${NAMESPACE}/${app}/primary.yaml`;

async function lockOf({ world }: FaultStage, app: string): Promise<string | undefined> {
  return await world.git.read(REPOSITORY, lockFile(app));
}

/** A person's commit on the lock. */
async function writeLock({ world }: FaultStage, app: string, text: string | null, message: string): Promise<void> {
  await world.git.commit(REPOSITORY, { [lockFile(app)]: text }, { message });
}

/** The tag of the lock's image in Git. */
async function lockedTag(stage: FaultStage, app: string): Promise<string | undefined> {
  return new RegExp(`image: "?\\S+/${app}:([^\\s"]+)`).exec(await lockOf(stage, app) ?? "")?.[1];
}

export async function lockDeleted(stage: FaultStage, checks: Checks, app: string): Promise<void> {
  await checks.check("the lock is deleted: the rollout goes on, and its promotion is the lock", async () => {
    await writeLock(stage, app, null, "Remove a strange file");
    await machineClock.sleep(4_000);
    await remembers(stage, app, "is still at half", atHalf);
    strictEqual(await tagOf(stage, `${app}-primary`), "1.0.0");
    openGate(stage, app);
    await remembers(stage, app, "is promoted", promotedTo("2.0.0"));
    strictEqual(await lockedTag(stage, app), "2.0.0");
    await rests(stage, app, "2.0.0");
  });
}

async function lockDeletedThenFailed(stage: FaultStage, checks: Checks, app: string): Promise<void> {
  await checks.check(
    "the lock is deleted under a bad release: it is reverted, and the remembered lock written again",
    async () => {
      await writeLock(stage, app, null, "Remove a strange file");
      await machineClock.sleep(4_000);
      stage.hooks.reply(`/${app}/check`, { status: 500 });
      await remembers(stage, app, "is reverted", ended("failed"));
      await until("the lock is back", async () => await lockedTag(stage, app) === "1.0.0" || await pause(), 20_000);
      match(await stage.world.git.read(REPOSITORY, manifestOf(app)) ?? "", /:1\.0\.0/);
      await rests(stage, app, "1.0.0");
    },
  );
}

async function lockEdited(stage: FaultStage, checks: Checks, app: string): Promise<void> {
  await checks.check(
    "the lock is edited: not applied, held with the difference; put back, the release is promoted",
    async () => {
      const text = await lockOf(stage, app) ?? "";
      await writeLock(stage, app, text.replaceAll(`${app}:1.0.0`, `${app}:9.9.9`), "Be clever");
      await machineClock.sleep(4_000);
      openGate(stage, app);
      const view = await stage.world.seeOf(
        app,
        "held",
        (seen) =>
          /9\.9\.9/.test(`${seen.stalled} ${seen.waitsFor} ${seen.events.map(({ message }) => message).join(" ")}`),
      );
      strictEqual(await tagOf(stage, `${app}-primary`), "1.0.0");
      strictEqual(await lockedTag(stage, app), "9.9.9", "what a person wrote is left alone");
      await writeLock(stage, app, text, "Put it back");
      await promotedWithRetry(stage, app);
      return `${view.phase}; ${view.stalled ?? view.waitsFor}`;
    },
  );
}

async function lockBroken(stage: FaultStage, checks: Checks, app: string): Promise<void> {
  await checks.check(
    "the lock is no YAML any more: not applied, and said; put back, the release is promoted",
    async () => {
      const text = await lockOf(stage, app) ?? "";
      await writeLock(stage, app, "kind: [", "A bad merge");
      await machineClock.sleep(4_000);
      openGate(stage, app);
      const view = await stage.world.seeOf(
        app,
        "said",
        (seen) =>
          /lock/i.test(
            `${seen.stalled} ${seen.waitsFor} ${seen.events.slice(-3).map(({ message }) => message).join(" ")}`,
          ),
      );
      strictEqual(await tagOf(stage, `${app}-primary`), "1.0.0");
      strictEqual(await lockOf(stage, app), "kind: [", "what a person wrote is left alone");
      await writeLock(stage, app, text, "Put it back");
      await promotedWithRetry(stage, app);
      return `${view.phase}; ${view.stalled ?? view.waitsFor}`;
    },
  );
}

/** Held releases are started again by a person. */
async function promotedWithRetry(stage: FaultStage, app: string): Promise<void> {
  await machineClock.sleep(4_000);
  const { held } = await remembers(stage, app, "has come to something", () => true);
  if (held !== null) strictEqual(await stage.world.agent.command(NAMESPACE, app, "retry"), 200);
  await remembers(stage, app, "is promoted", promotedTo("2.0.0"));
  await rests(stage, app, "2.0.0");
}

/** All applications lose their locks; one of them is at half with a release that the copy does not have. */
export async function olderCopy(stage: FaultStage, checks: Checks, app: string): Promise<void> {
  await checks.check(
    "the branch is put back to a copy without locks: the primary is kept, locks are written again",
    async () => {
      const initial = (await bareGit(stage, "rev-list", "--max-parents=0", "main")).trim();
      const others = GIT_APPS.filter((other) => other !== app);
      const users = new Map(
        await Promise.all(GIT_APPS.map(async (one) => [one, await tagOf(stage, `${one}-primary`)] as const)),
      );
      await remembers(stage, app, "is at half", atHalf);
      await bareGit(stage, "update-ref", "refs/heads/main", initial);
      await remembers(stage, app, "has its traffic back", ({ phase }) => phase === "idle");
      await each(GIT_APPS, (one) =>
        until(`the lock of ${one} is back`, async () => {
          return await lockOf(stage, one) !== undefined || await pause();
        }, 60_000));
      strictEqual(await tagOf(stage, `${app}-primary`), "1.0.0");
      match((await decisionsOf(stage, app)).join("\n"), /^(Restore|Write)/);
      await rests(stage, app, "1.0.0");
      // The copy declares the first release: for those who were further it is a candidate like any other.
      openGate(stage, ...others);
      await each(others, (one) =>
        remembers(stage, one, "is what the copy declares", (state) => {
          const images = state.lock?.release.images ?? [];
          return state.phase === "idle" && images.every(({ image }) => image.endsWith(":1.0.0"));
        }));
      await isSound(stage.world.git.path(REPOSITORY));
      return `users were on ${[...users].map(([one, tag]) => `${one} ${tag}`).join(", ")}`;
    },
  );
}

async function pause(): Promise<false> {
  await machineClock.sleep(200);
  return false;
}
