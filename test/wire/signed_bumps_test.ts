/**
 * The whole agent with `verify`: a bump that nobody who may has signed starts nothing and is told; a signature on top lets
 * it go on; and what the agent itself commits is signed, and accepted by stock git and by the agent.
 */
import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { MANIFEST, REPOSITORY } from "../../src/demo/stage.ts";
import { gitEnv, runGit } from "../support/git_repository.ts";
import { keygen, missingTools } from "../support/signing_tools.ts";
import { makeSshKey } from "../support/ssh_keys.ts";
import { withStage } from "../support/stage.ts";
import { until } from "../support/until.ts";

const missing = await missingTools("ssh-keygen");

if (missing.length > 0) {
  const line = `signed bumps: 1 test left out: "ssh-keygen" is not on the PATH\n`;
  Deno.stdout.writeSync(new TextEncoder().encode(line));
} else {
  Deno.test("a bump is acted on only once somebody who may has signed it", async () => {
    const keys = await Deno.makeTempDir({ prefix: "serin-keys-" });
    try {
      const ada = await keygen(keys, "ed25519");
      const own = await makeSshKey("serin");
      await Deno.writeTextFile(`${keys}/own`, own.privateText, { mode: 0o600 });
      await Deno.writeTextFile(`${keys}/allowed_signers`, `ada@example.com ${ada.line}\n`);
      await Deno.writeTextFile(`${keys}/all`, `ada@example.com ${ada.line}\nserin@localhost ${own.publicText}\n`);
      const settings = `    signingKeyFile: ${keys}/own\n    verify: { allowedSignersFile: ${keys}/allowed_signers }\n`;
      await withStage({ settings, initialised: false }, async (stage) => {
        const { clone, sandbox, composed, dir } = stage;
        const source = () => composed.agent.sources()[0];
        const git = (args: readonly string[]) => runGit(`${dir}/clone`, args, { env: gitEnv() });
        const sign = async (message: string) => {
          await git(["fetch", "-q", "origin"]);
          await git(["reset", "-q", "--hard", "origin/main"]);
          const config = ["-c", "gpg.format=ssh", "-c", `user.signingKey=${ada.file}`];
          await git([...config, "commit", "-q", "--allow-empty", "-S", "-m", message]);
          await git(["push", "-q", "origin", "HEAD:main"]);
        };
        await until("the first commit is seen and not accepted", () => source()?.problem !== null);
        match(source()?.problem ?? "", /Cannot accept commit [0-9a-f]{12} of branch "main" .*: it is not signed/);
        deepStrictEqual([source()?.state, stage.view()], ["unknown", undefined]);
        await sign("Vouch for what is here");
        await stage.see("initialised", (seen) => seen.last?.outcome === "initialised" && seen.phase === "idle");

        const before = source()?.commit;
        const bump = await clone.bump(MANIFEST, { from: ":6.0.0", to: ":6.0.1", message: "Bump podinfo" });
        await until("the bump is seen", () => source()?.problem?.includes(bump.slice(0, 12)) === true);
        strictEqual(source()?.state, "stale");
        strictEqual(source()?.commit, before);
        strictEqual(stage.view()?.phase, "idle");
        strictEqual(await sandbox.git.tip(REPOSITORY), bump);

        stage.load();
        await sign("Vouch for the bump");
        await stage.see("promoted", (seen) => seen.phase === "idle" && seen.last?.outcome === "succeeded", 60_000);
        const tip = await sandbox.git.tip(REPOSITORY);
        await until("the agent accepts its own commit", () => source()?.commit === tip && source()?.state === "fresh");
        await git(["fetch", "-q", "origin"]);
        const check = ["-c", `gpg.ssh.allowedSignersFile=${keys}/all`, "verify-commit", tip ?? ""];
        await git(check);
        ok((await sandbox.git.read(REPOSITORY, MANIFEST))?.includes(":6.0.1"));
      });
    } finally {
      await Deno.remove(keys, { recursive: true });
    }
  });
}
