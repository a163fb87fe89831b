/**
 * The whole agent before a revert that cannot be made: the bump also deleted a ConfigMap that the lock's release needs. Users
 * are on the lock, the branch is left alone, and what could be put back is offered as a branch that people are told of.
 */
import { match, ok, strictEqual } from "node:assert/strict";
import { filesOf, MANIFEST, REPOSITORY } from "../../src/demo/stage.ts";
import { isSound } from "../support/fsck.ts";
import { gitEnv, runGit } from "../support/git_repository.ts";
import { DEMO_FILES, withStage } from "../support/stage.ts";

const SETTINGS = "apps/podinfo/settings.yaml";
const SETTINGS_TEXT = `apiVersion: v1
kind: ConfigMap
metadata:
  name: settings
  namespace: demo
data:
  colour: blue
`;
const USE = "          envFrom:\n            - configMapRef: { name: settings }\n";
const PERSON = ["-c", "user.name=Robin", "-c", "user.email=robin@example.com"];

Deno.test("a revert that cannot be made is offered as a branch, and announced; users stay on the lock", async () => {
  const demo = await filesOf(DEMO_FILES);
  const before = (demo[MANIFEST] ?? "").replace(/\n(\s+)ports:/, `\n${USE}$1ports:`);
  ok(before.includes(USE));
  const files = { ...demo, [MANIFEST]: before, [SETTINGS]: SETTINGS_TEXT };
  await withStage({ files }, async (stage) => {
    const { clone } = stage;
    const bare = stage.sandbox.git.path(REPOSITORY);
    const git = async (...args: readonly string[]) =>
      new TextDecoder().decode(await runGit(bare, ["-c", "safe.directory=*", ...args], { env: gitEnv() })).trim();
    stage.load();
    await clone.pull();
    await Deno.writeTextFile(`${clone.dir}/${MANIFEST}`, before.replace(USE, "").replace(":6.0.0", ":6.0.1-bad"));
    await Deno.remove(`${clone.dir}/${SETTINGS}`);
    await clone.git(...PERSON, "commit", "--quiet", "--all", "--message", "Bump podinfo, without settings");
    await clone.git("push", "--quiet", "origin", "HEAD:main");
    const bump = await git("rev-parse", "main");
    const view = await stage.see(
      "held",
      ({ phase, last, stalled }) => phase === "idle" && last?.outcome === "failed" && stalled !== null,
    );
    const branch = /offered as branch "(serin\/revert\/demo\/podinfo\/[^"]+)"/.exec(view.last?.reason ?? "")?.[1];
    match(view.last?.reason ?? "", /Cannot restore ConfigMap "settings": Git no longer declares it; what could be/);
    ok(branch !== undefined, view.last?.reason ?? "no reason is told");
    strictEqual(branch, `serin/revert/demo/podinfo/${view.last?.revision}`);
    ok(stage.announced.some(({ message }) => message.includes(`branch "${branch}"`)));
    ok(view.events.some(({ message }) => message.includes(`branch "${branch}"`)), "it is in the events, too");
    match(view.lockImages[0] ?? "", /podinfo:6\.0\.0$/);
    strictEqual(await git("rev-parse", "main"), bump, "the branch itself is left alone");
    strictEqual(await git("rev-parse", `${branch}^`), bump);
    strictEqual(`${await git("cat-file", "blob", `${branch}:${MANIFEST}`)}\n`, before);
    match(
      await git("log", "-1", "--format=%B", branch),
      /^Put demo\/podinfo back to podinfo:6\.0\.0, as far as it goes/,
    );
    await isSound(bare);
  });
});
