/**
 * Two sources of one branch, by their paths, in one agent before stock git: one connection and one writer serve both, so no
 * push of theirs ever loses a race to the other, and each goes its own way.
 */
import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { machineClock } from "../../adapters/platform/clock.ts";
import { startGitServer } from "../../src/sandbox/git/git_server.ts";
import { appFiles, imageOf, manifestOf } from "../support/app_files.ts";
import { isSound } from "../support/fsck.ts";
import { gitEnv, runGit } from "../support/git_repository.ts";
import { withStage } from "../support/stage.ts";

const APPS = ["east", "west"] as const;
/** Two that are sent together are under way together. */
const SLOW_HOOK = "#!/bin/sh\nsleep 1\n";
const PERSON = ["-c", "user.name=Robin", "-c", "user.email=robin@example.com"];

Deno.test("two sources of one branch share a writer: decisions of both at once, and no push loses a race", async () => {
  const dir = await Deno.makeTempDir({ prefix: "serin-shared-" });
  const git = startGitServer({ dir, clock: machineClock });
  try {
    const analysis = { interval: "1s", threshold: 2, iterations: 1, metrics: [] };
    const files = appFiles(...APPS.map((name) => ({ name, provider: "kubernetes", analysis })));
    await git.createRepository("shared", files);
    const bare = git.path("shared");
    const inBare = async (...args: readonly string[]) =>
      new TextDecoder().decode(await runGit(bare, ["-c", "safe.directory=*", ...args])).trim();
    await inBare("config", "core.logAllRefUpdates", "true");
    await Deno.writeTextFile(`${bare}/hooks/pre-receive`, SLOW_HOOK, { mode: 0o755 });
    const url = git.urlOf("shared");
    // The same address in another spelling.
    const other = url.replace(/\.git$/, "");
    const settings = `    paths: [apps/east]
  - { name: second, url: "${other}", paths: [apps/west], pollInterval: 1s }
`;
    await withStage({ repositoryUrl: url, settings, initialised: APPS }, async (stage) => {
      const { clone, composed } = stage;
      const sources = composed.agent.sources().map(({ name, url: shown }) => [name, shown]);
      deepStrictEqual(sources, [["fleet", url], ["second", url]]);
      const shown = APPS.map((name) => composed.agent.canary({ namespace: "demo", name })?.source.name);
      deepStrictEqual(shown, ["fleet", "second"]);
      for (const name of APPS) {
        const path = `${clone.dir}/${manifestOf(name)}`;
        await Deno.writeTextFile(path, (await Deno.readTextFile(path)).replace(":1.0.0", ":2.0.0"));
      }
      await clone.pull();
      await runGit(clone.dir, [...PERSON, "commit", "--quiet", "--all", "--message", "Bump both"], { env: gitEnv() });
      await clone.git("push", "--quiet", "origin", "HEAD:main");
      await Promise.all(
        APPS.map((name) =>
          stage.of(name).see(
            "promoted",
            ({ phase, last, lockImages }) =>
              phase === "idle" && last?.outcome === "succeeded" && lockImages[0] === imageOf(name, "2.0.0"),
          )
        ),
      );
    });
    const said = (await inBare("log", "--format=%s", "main")).split("\n").filter((line) => line.startsWith("Promote"));
    deepStrictEqual(said.sort(), APPS.map((name) => `Promote demo/${name} to ${name}:2.0.0`));
    // Each push that was sent has landed; the person's is one of them.
    const landed = (await inBare("reflog", "show", "--format=%gs", "main")).split("\n");
    const sent = git.requests.get("POST /shared.git/git-receive-pack") ?? 0;
    const sentOther = git.requests.get("POST /shared/git-receive-pack") ?? 0;
    strictEqual(sentOther, 0);
    ok(landed.length >= 3, landed.join("; "));
    strictEqual(sent, landed.length, landed.join("; "));
    await isSound(bare);
  } finally {
    await git.stop();
    await Deno.remove(dir, { recursive: true });
  }
});
